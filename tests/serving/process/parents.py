"""Parents of two workers in processes of their own, and what they and their workers say."""

import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, sys, time
from serving.process.port import reserve, share
from serving.process.back_off import BackOff
from serving.process.child import StartError
from serving.process.heartbeat import HangWatch, Heartbeats
from serving.process.supervisor import Renewal, Supervisor

def say(line): os.write(1, f"{line}\\n".encode())  # in one piece, whoever else writes

def until_told(listener, tell, slot):
    wishes = []
    signal.signal(signal.SIGTERM, lambda *_: wishes.append(1))
    say(f"pid {os.getpid()} slot {slot}")
    tell([f"hello from {os.getpid()}"])
    while not wishes: time.sleep(0.01)
    say("stopped")

def until_told_at_once(listener, tell, slot):
    wishes = []
    signal.signal(signal.SIGTERM, lambda *_: say("wish"))
    signal.signal(signal.SIGUSR1, lambda *_: wishes.append(1))
    say(f"pid {os.getpid()} slot {slot}")
    tell([])
    while not wishes: time.sleep(0.01)

WORK

listeners = share(reserve("127.0.0.1", 0), 2)
port = listeners[0].getsockname()[1]
heartbeats = Heartbeats(4)
companions = {}
COMPANIONS

sys.exit(Supervisor(
    work, listeners, lambda lines: say("greeting"), say, lambda line: say(f"warning: {line}"),
    back_off=BackOff(STEADY, DELAY), grace_s=GRACE, linger_s=LINGER, start_s=START, companions=companions, watch=WATCH,
).run())
"""

PATIENCE_S = 60
OPTIONS = {"steady": 0.0, "delay": 0.01, "grace": 3600.0, "linger": 3600.0, "start": 3600.0, "watch": None}
Parent = Callable[..., subprocess.Popen[str]]
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the processes from Linux's /proc")


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


def script(work: str, companions: str, **options: object) -> str:
    """A program that is a parent."""
    text = SCRIPT.replace("WORK", textwrap.dedent(work)).replace("COMPANIONS", textwrap.dedent(companions))
    for name, value in (OPTIONS | options).items():
        text = text.replace(name.upper(), str(value))
    return text
