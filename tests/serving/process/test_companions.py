"""The processes beside the workers: they come after them, are replaced, and go after them."""

import os
import signal
import subprocess

import pytest

from tests.serving.process.parents import PATIENCE_S, Parent, lines_until, rest

FAITHFUL = """
def accompany():
    wishes = []
    signal.signal(signal.SIGTERM, lambda *_: wishes.append(1))
    say(f"beside {os.getpid()}")
    while not wishes: time.sleep(0.01)
    say("left")

companions = {"monitor": accompany}
"""


DRAINING = """
def work(listener, tell, slot):
    wishes = []
    signal.signal(signal.SIGTERM, lambda *_: say("drains"))
    signal.signal(signal.SIGUSR1, lambda *_: wishes.append(1))
    tell([])
    while not wishes: time.sleep(0.01)
"""


def companion(process: subprocess.Popen[str]) -> int:
    """The process id of the next one to come."""
    return int(lines_until(process, "beside")[-1].split()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_companions_go_after_the_last_worker(parent: Parent, number: signal.Signals) -> None:
    process = parent(companions=FAITHFUL)
    companion(process)
    os.killpg(process.pid, signal.SIGINT) if number == signal.SIGINT else process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process)[-3:] == ["stopped", "stopped", "left"]


def test_companion_comes_once_all_workers_serve(parent: Parent) -> None:
    process = parent(
        """
        def work(listener, tell, slot):
            time.sleep(0.2 * slot)
            say("serves")
            until_told(listener, tell, slot)
        """,
        FAITHFUL,
    )
    assert lines_until(process, "beside").count("serves") == 2


def test_companion_that_dies_is_replaced_also_while_workers_drain(parent: Parent) -> None:
    process = parent(DRAINING, FAITHFUL)
    os.kill(companion(process), signal.SIGKILL)
    second = companion(process)
    process.terminate()
    lines_until(process, "drains", 2)
    os.kill(second, signal.SIGKILL)
    assert lines_until(process, "warning")[-1] == "warning: monitor was ended by SIGKILL; another is started in 0 s"
    companion(process)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process) == ["stopping at once", "left"]


def test_signal_to_all_processes_lets_the_workers_drain_and_is_no_warning(parent: Parent) -> None:
    process = parent(DRAINING, FAITHFUL)
    first = companion(process)
    process.terminate()
    lines_until(process, "drains", 2)
    os.kill(first, signal.SIGTERM)
    lines = lines_until(process, "beside")
    assert not any("warning" in line for line in lines)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process) == ["stopping at once", "left"]


def test_companion_that_never_comes_up_is_tried_ever_more_seldom_and_the_workers_serve_on(parent: Parent) -> None:
    process = parent(companions='companions = {"monitor": lambda: None}', steady=3600)
    warnings = [line for line in lines_until(process, "warning", 6) if line.startswith("warning")]
    assert warnings == [
        f"warning: monitor ended with exit code 0; another is started in {0.01 * 2**n:g} s" for n in range(1, 7)
    ]
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process).count("stopped") == 2


def test_companion_that_does_not_end_is_killed(parent: Parent) -> None:
    process = parent(companions=FAITHFUL.replace("not wishes", "True"), linger=0.2)
    companion(process)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert rest(process)[-1] == "warning: monitor was still there 0.2 s after it was told to stop: it is killed"


def test_companion_goes_when_its_parent_has_gone(parent: Parent) -> None:
    process = parent(companions=FAITHFUL)
    companion(process)
    process.kill()
    assert sorted(rest(process))[0] == "left"
