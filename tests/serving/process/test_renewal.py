"""Workers are replaced in order: a successor serves before the old one is told to go."""

import os
import signal
from pathlib import Path

import pytest

from tests.serving.process.parents import PATIENCE_S, Parent, by_slot, lines_until, rest, up


@pytest.mark.parametrize("to_all", [False, True])
def test_sighup_replaces_all_workers_in_turn_and_ends_nothing(parent: Parent, to_all: bool) -> None:
    process = parent()
    old = up(process)
    if to_all:  # as a terminal does that is closed
        os.killpg(process.pid, signal.SIGHUP)
    else:
        process.send_signal(signal.SIGHUP)
    lines = lines_until(process, "have been replaced")
    new = [int(line.split()[1]) for line in lines if line.startswith("pid")]
    assert [" ".join(line.split()[2:]) if line.startswith("pid") else line for line in lines] == [
        "replacing the workers, one after the other",
        "slot 2",  # serves ...
        "stopped",  # ... before the old one goes, whose slot is free then
        "slot 0",
        "stopped",
        "the workers have been replaced",
    ]
    assert len({*old, *new}) == 4


def test_old_worker_stays_where_its_successor_fails(parent: Parent, tmp_path: Path) -> None:
    process = parent(
        f"""
        def work(listener, tell, slot):
            if os.path.exists({str(tmp_path / "broken")!r}): raise StartError("no such model")
            until_told(listener, tell, slot)
        """
    )
    up(process)
    (tmp_path / "broken").touch()
    process.send_signal(signal.SIGHUP)
    expected = "warning: no such model; the worker that it was to replace stays"
    assert lines_until(process, "warning") == ["replacing the workers, one after the other", expected]
    (tmp_path / "broken").unlink()
    process.send_signal(signal.SIGHUP)
    assert lines_until(process, "have been replaced").count("stopped") == 2


def test_old_worker_that_does_not_end_is_killed_and_the_next_one_has_its_turn(parent: Parent) -> None:
    process = parent(
        """
        def work(listener, tell, slot):
            signal.signal(signal.SIGTERM, lambda *_: None)
            say(f"pid {os.getpid()} slot {slot}")
            tell([])
            while True: time.sleep(3600)
        """,
        grace=0.1,
        linger=0.1,
    )
    up(process)
    process.send_signal(signal.SIGHUP)
    killed = [line for line in lines_until(process, "have been replaced") if line.startswith("warning")]
    assert killed == [
        f"warning: worker {n} was still there 0.2 s after it was told to stop: it is killed" for n in (0, 1)
    ]


def test_old_worker_that_dies_meanwhile_has_its_successor_and_no_other(parent: Parent, tmp_path: Path) -> None:
    process = parent(
        f"""
        def work(listener, tell, slot):
            if slot > 1:
                say("slowly")
                while not os.path.exists({str(tmp_path / "now")!r}): time.sleep(0.01)
            until_told(listener, tell, slot)
        """
    )
    victim = by_slot(process)[0]
    process.send_signal(signal.SIGHUP)
    lines_until(process, "slowly")
    os.kill(victim, signal.SIGKILL)
    assert lines_until(process, "warning")[-1].endswith("was ended by SIGKILL; another is on its way")
    (tmp_path / "now").touch()
    assert lines_until(process, "have been replaced").count("stopped") == 1  # the other worker
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process).count("stopped") == 2


def test_successor_of_one_that_died_meanwhile_is_followed_by_another_where_it_fails(
    parent: Parent, tmp_path: Path
) -> None:
    process = parent(
        f"""
        def work(listener, tell, slot):
            if slot == 2:
                say("slowly")
                while not os.path.exists({str(tmp_path / "now")!r}): time.sleep(0.01)
                raise StartError("no such model")
            until_told(listener, tell, slot)
        """
    )
    victim = by_slot(process)[0]
    process.send_signal(signal.SIGHUP)
    lines_until(process, "slowly")
    os.kill(victim, signal.SIGKILL)
    lines_until(process, "on its way")
    (tmp_path / "now").touch()
    warning, new = lines_until(process, "pid")
    assert warning == "warning: no such model; another is started in 0 s"
    assert new.endswith("slot 0")


def test_successor_that_never_serves_is_killed_at_the_limit_and_whom_it_was_to_replace_stays(parent: Parent) -> None:
    process = parent(
        """
        def work(listener, tell, slot):
            if slot == 2: time.sleep(3600)
            until_told(listener, tell, slot)
        """,
        start=0.2,
    )
    up(process)
    process.send_signal(signal.SIGHUP)
    assert lines_until(process, "stays")[-2:] == [
        "warning: worker 0 did not serve within 0.2 s: it is killed",
        "warning: worker 0 was ended by SIGKILL; the worker that it was to replace stays",
    ]
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process).count("stopped") == 2


def test_worker_that_asks_for_it_is_replaced_alone(parent: Parent) -> None:
    process = parent(
        """
        def work(listener, tell, slot):
            def tell_and_ask(lines):
                tell(lines)
                if slot == 1: tell(Renewal("has grown"))
            until_told(listener, tell_and_ask, slot)
        """
    )
    lines = lines_until(process, "stopped")
    assert "worker 1 has grown: it is replaced" in lines
    assert sum(line.endswith("slot 2") for line in lines) == 1
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert sorted(rest(process)) == ["shutting down (again to stop at once)", "stopped", "stopped"]


def test_worker_that_drains_is_not_told_twice_when_all_are_to_stop(parent: Parent) -> None:
    process = parent("work = until_told_at_once")
    up(process)
    process.send_signal(signal.SIGHUP)
    lines_until(process, "wish")
    process.terminate()
    lines_until(process, "wish", 2)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process) == ["stopping at once"]
