"""The parent of workers, in processes of its own: what it does when they come, die, or never come up."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.serving_load.processes import family

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60
SCRIPT = """
import os, signal, sys, time
from serving.process.port import reserve, share
from serving.process.supervisor import StartError, Supervisor

def say(line): os.write(1, f"{line}\\n".encode())  # in one piece, whoever else writes

def until_told(listener, tell, slot):
    wishes = []
    signal.signal(signal.SIGTERM, lambda *_: wishes.append(1))
    tell([f"hello from {os.getpid()}"])
    say(f"pid {os.getpid()} slot {slot}")
    while not wishes: time.sleep(0.01)
    say("stopped")

WORK

sys.exit(Supervisor(work, share(reserve("127.0.0.1", 0), 2), lambda lines: say("greeting"), say,
                    lambda line: say(f"warning: {line}"), steady_s=STEADY, first_delay_s=DELAY).run())
"""

Parent = Callable[..., subprocess.Popen[str]]
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the processes from Linux's /proc")


@pytest.fixture
def parent() -> Iterator[Parent]:
    """Starts a parent of two workers that do `work`."""
    started: list[subprocess.Popen[str]] = []

    def start(
        work: str = "work = until_told", steady_s: float = 0.0, first_delay_s: float = 0.01
    ) -> subprocess.Popen[str]:
        script = SCRIPT.replace("WORK", textwrap.dedent(work))
        script = script.replace("STEADY", str(steady_s)).replace("DELAY", str(first_delay_s))
        started.append(
            subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                start_new_session=True)
        )  # fmt: skip
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def lines_until(process: subprocess.Popen[str], word: str, times: int = 1) -> list[str]:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        times -= word in line
        if not times:
            return lines
    raise AssertionError(f"it ended without {word!r}: {lines}")


def by_slot(process: subprocess.Popen[str]) -> dict[int, int]:
    """The workers' process ids by their slots, once both are up and were greeted."""
    lines: list[str] = []
    while sum("pid" in line for line in lines) < 2 or "greeting" not in lines:
        lines += lines_until(process, "")
    assert lines.count("greeting") == 1
    return {int(line.split()[3]): int(line.split()[1]) for line in lines if line.startswith("pid")}


def up(process: subprocess.Popen[str]) -> list[int]:
    """The workers' process ids, once both are up and were greeted."""
    return list(by_slot(process).values())


def rest(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout
    return process.stdout.read().splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_workers_are_stopped_together(parent: Parent, number: signal.Signals) -> None:
    process = parent()
    up(process)
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    assert sorted(rest(process)) == ["shutting down (again to stop at once)", "stopped", "stopped"]


def test_ctrl_c_reaches_all_processes_and_the_workers_leave_it_to_their_parent(parent: Parent) -> None:
    process = parent()
    up(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(PATIENCE_S) == 0
    assert sorted(rest(process)) == ["shutting down (again to stop at once)", "stopped", "stopped"]


def test_worker_that_dies_is_replaced_and_told_of(parent: Parent) -> None:
    process = parent()
    first, second = up(process)
    for victim in (first, second):
        subprocess.run(["kill", "-KILL", str(victim)], check=True)
        warning, new = lines_until(process, "pid")[-2:]
        assert "was ended by SIGKILL; another is started in 0 s" in warning
        assert int(new.split()[1]) not in (first, second)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process).count("stopped") == 2


def test_each_worker_has_a_slot_of_its_own_the_smallest_that_is_free(parent: Parent) -> None:
    process = parent()
    slots = by_slot(process)
    assert slots.keys() == {0, 1}
    for slot in (1, 0):
        os.kill(slots[slot], signal.SIGKILL)
        assert lines_until(process, "pid")[-1].endswith(f"slot {slot}")


def test_worker_that_dies_young_is_replaced_after_a_while(parent: Parent) -> None:
    process = parent(steady_s=3600)
    subprocess.run(["kill", "-KILL", str(up(process)[0])], check=True)
    assert "another is started in 0.01 s" in lines_until(process, "pid")[-2]


def test_delay_doubles_with_each_failure_in_a_row_and_a_failure_that_was_overcome_is_no_exit_code(
    parent: Parent, tmp_path: Path
) -> None:
    process = parent(
        f"""
        def work(listener, tell, slot):
            failures = {str(tmp_path / "failures")!r}
            if os.path.exists(failures):
                left = int(open(failures).read()) - 1
                open(failures, "w").write(str(left)) if left else os.remove(failures)
                raise StartError("broken meanwhile", 7)
            until_told(listener, tell, slot)
        """,
        steady_s=3600,
    )
    victim = up(process)[0]
    for failures, delays in ((3, ["0.01", "0.02", "0.04", "0.08"]), (1, ["0.01", "0.02"])):
        (tmp_path / "failures").write_text(str(failures))
        os.kill(victim, signal.SIGKILL)
        *warnings, new = lines_until(process, "pid")
        warned = [line.partition("; another is started in ") for line in warnings if line.startswith("warning")]
        assert [delay for _, _, delay in warned] == [f"{delay} s" for delay in delays]
        assert ["broken meanwhile" in reason for reason, _, _ in warned] == [False, *[True] * failures]
        victim = int(new.split()[1])
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


@needs_proc
def test_worker_that_is_due_waits_and_is_not_started_once_all_is_to_stop(parent: Parent) -> None:
    process = parent(steady_s=3600, first_delay_s=3600)
    for victim in up(process):
        os.kill(victim, signal.SIGKILL)
        assert "another is started in 10 s" in lines_until(process, "warning")[-1]  # and never later
    assert family(process.pid) == [process.pid]
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process) == ["shutting down (again to stop at once)"]


def test_worker_that_cannot_start_ends_all_with_its_reason_and_code(parent: Parent) -> None:
    process = parent(
        """
        def work(listener, tell, slot):
            raise StartError("no such model", 7)
        """
    )
    assert process.wait(PATIENCE_S) == 7
    assert rest(process) == ["warning: no such model"]


def test_worker_that_crashes_before_it_serves_ends_all(parent: Parent) -> None:
    process = parent(
        """
        def work(listener, tell, slot):
            os.kill(os.getpid(), signal.SIGSEGV)
        """
    )
    assert process.wait(PATIENCE_S) == 1
    (warning,) = rest(process)
    assert "was ended by SIGSEGV before it served" in warning


@pytest.mark.parametrize("first", ["serves", "fails"])
def test_nobody_is_greeted_where_one_worker_fails_whichever_is_heard_first(
    parent: Parent, tmp_path: Path, first: str
) -> None:
    process = parent(
        f"""
        def work(listener, tell, slot):
            wishes, told = [], {str(tmp_path / "told")!r}
            signal.signal(signal.SIGTERM, lambda *_: wishes.append(1))
            try:
                os.close(os.open({str(tmp_path / "one")!r}, os.O_CREAT | os.O_EXCL))
            except FileExistsError:  # the other one
                while {first == "serves"} and not os.path.exists(told): time.sleep(0.01)
                raise StartError("no such model", 7)
            while {first == "fails"} and not wishes: time.sleep(0.01)
            tell(["hello"])
            open(told, "w").close()
            while not wishes: time.sleep(0.01)
        """
    )
    assert process.wait(PATIENCE_S) == 7
    assert rest(process) == ["warning: no such model"]


def test_new_workers_that_never_come_up_are_given_up_after_some_tries(parent: Parent, tmp_path: Path) -> None:
    process = parent(
        f"""
        def work(listener, tell, slot):
            if os.path.exists({str(tmp_path / "broken")!r}):
                raise StartError("broken meanwhile")
            until_told(listener, tell, slot)
        """
    )
    first, _ = up(process)
    (tmp_path / "broken").touch()
    subprocess.run(["kill", "-KILL", str(first)], check=True)
    assert process.wait(PATIENCE_S) == 1
    warnings = [line for line in rest(process) if line.startswith("warning")]
    assert len(warnings) == 6  # of the first death, of four more tries, and of giving up
    assert warnings[-1] == "warning: broken meanwhile"


def test_second_signal_tells_the_workers_to_stop_at_once(parent: Parent) -> None:
    process = parent(
        """
        def work(listener, tell, slot):
            wishes = []
            signal.signal(signal.SIGTERM, lambda *_: say("wish"))
            signal.signal(signal.SIGUSR1, lambda *_: wishes.append(1))
            tell([])
            say(f"pid {os.getpid()} slot {slot}")
            while not wishes: time.sleep(0.01)
        """
    )
    up(process)
    process.terminate()
    lines_until(process, "wish", 2)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert "stopping at once" in rest(process)


def test_workers_stop_when_their_parent_has_gone(parent: Parent) -> None:
    process = parent()
    up(process)
    process.kill()
    assert sorted(rest(process)) == ["stopped", "stopped"]  # to the end of the pipe: no worker holds it any more
