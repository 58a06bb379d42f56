"""A worker whose event loop no longer turns is found, says where it is, and is replaced."""

import time

from serving.process.heartbeat import GAP_S, HangWatch, Heartbeats
from tests.serving.process.parents import Parent, lines_until, rest, up


def test_worker_that_hangs_writes_where_and_is_replaced(parent: Parent) -> None:
    process = parent(
        """
        def stuck(): time.sleep(3600)

        def work(listener, tell, slot):
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())
            say(f"pid {os.getpid()} slot {slot}")
            tell([])
            for turn in range(10**9):
                heartbeats.beat(slot)
                time.sleep(0.01)
                if slot == 1 and turn == 50: stuck()
        """,
        watch="HangWatch(heartbeats, 1.5)",
    )
    up(process)
    silent, ended = [line for line in lines_until(process, "another is started") if line.startswith("warning")]
    assert silent == "warning: worker 1 was silent for 1.5 s (above is where): it is killed"
    assert ended == "warning: worker 1 was ended by SIGKILL; another is started in 0 s"
    assert lines_until(process, "pid")[-1].endswith("slot 1")
    process.terminate()
    rest(process)
    assert process.stderr
    assert "in stuck" in process.stderr.read()


class Watched:
    """Three workers that serve from time 0 on, looked at every second."""

    def __init__(self, hang_s: float) -> None:
        self.heartbeats = Heartbeats(3)
        self.start = self.now = time.monotonic() + 1000  # nothing was heard of them since
        self.watch = HangWatch(self.heartbeats, hang_s)
        self.watch.look({}, self.now)

    def look(self, seconds: float = 1.0) -> int | None:
        self.now += seconds
        return self.watch.look(dict.fromkeys(range(3), self.start), self.now)


def test_silence_is_no_hang_before_the_limit() -> None:
    watched = Watched(hang_s=3)
    assert [watched.look() for _ in range(5)] == [None, None, None, 0, None]


def test_only_one_is_taken_out_at_a_time() -> None:
    watched = Watched(hang_s=3)
    assert [watched.look() for _ in range(9)] == [None, None, None, 0, None, None, None, 0, None]


def test_nobody_is_silent_while_the_parent_itself_did_not_run() -> None:
    watched = Watched(hang_s=3)
    assert watched.look(GAP_S + 1) is None
    assert [watched.look() for _ in range(4)] == [None, None, None, 0]


def test_worker_that_beats_is_well() -> None:
    heartbeats = Heartbeats(2)
    watch = HangWatch(heartbeats, 3)
    now = time.monotonic()
    heartbeats.beat(1)
    for second in range(3):
        assert watch.look({0: now, 1: now - 100}, now + second) is None
    assert watch.look({0: now + 2, 1: now - 100}, now + 4) == 1
