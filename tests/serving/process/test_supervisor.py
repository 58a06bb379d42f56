"""The parent of workers, in processes of its own: what it does when they come, die, or never come up."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from benchmarks.serving_load.processes import family
from tests.serving.process.parents import PATIENCE_S, Parent, by_slot, lines_until, needs_proc, rest, up


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
    process = parent(steady=3600)
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
        steady=3600,
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
    process = parent(steady=3600, delay=3600)
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
