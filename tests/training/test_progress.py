"""Progress on terminals and where there is none."""

import fcntl
import io
import os
import pty
import struct
import sys
import termios
import threading
import time

import pytest

from training import progress as module
from training.command import say
from training.progress import progress


def log_of(monkeypatch: pytest.MonkeyPatch, steps: int) -> list[str]:
    """What so many steps of a hundred leave in a log file."""
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with progress(5000, "training", "img", initial=1000) as bar:
        for _ in range(steps):
            bar.set_postfix_str("d_loss 0.5", refresh=False)
            bar.update(100)
    assert "\r" not in log.getvalue()
    return log.getvalue().splitlines()


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_S", 0.2)
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    began = time.monotonic()
    with progress(1_000_000, "training", "img") as bar:
        while log.getvalue().count("\n") < 3:
            bar.update()
            time.sleep(0.001)
        took_s = time.monotonic() - began
    assert "\r" not in log.getvalue()
    lines = log.getvalue().splitlines()
    assert len(lines) <= 2 + took_s / module.LINE_S  # of hundreds of updates
    for line in lines:
        assert line.startswith("training: ")
        assert " left" in line


def test_what_is_soon_done_leaves_nothing_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_of(monkeypatch, steps=40) == []


def test_a_line_says_how_far_it_is_and_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_S", 0.0)
    lines = log_of(monkeypatch, steps=40)
    assert lines[-1].startswith("training: 100%, 5.00k of 5.00k img in 00:0")
    assert lines[-1].endswith("left, d_loss 0.5")


def test_who_is_not_to_show_it_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_S", 0.0)
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with progress(10, "training", "img", shown=False) as bar:
        bar.update(10)
    assert log.getvalue() == ""


@pytest.mark.parametrize(("columns", "term"), [(30, "xterm"), (100, "xterm"), (100, "dumb")])
def test_on_a_terminal_a_bar_stays_within_its_line_and_has_no_colours(
    columns: int, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(module, "LINE_S", 0.0)
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown: list[bytes] = []

    def read() -> None:
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # the end of a pty, as Linux tells it
                return
            if not part:
                return
            shown.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(terminal, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdout", stream)
        with progress(5000, "training", "img") as bar:
            for _ in range(50):
                bar.set_postfix_str("d_loss 0.512  g_loss 1.234", refresh=False)
                bar.update(100)
                time.sleep(0.005)
            say("a milestone")
    reader.join()
    os.close(master)
    text = b"".join(shown).decode()
    assert "\x1b" not in text
    assert "a milestone" in text
    pieces = text.replace("\r\n", "\n").replace("\n", "\r").split("\r")
    if term == "dumb":
        assert "\r" not in text.replace("\r\n", "\n")
    else:
        assert max(map(len, pieces)) <= columns
        assert any(piece.startswith("training:") and "%|" in piece for piece in pieces)


def test_a_last_step_that_goes_beyond_the_end_is_shown_as_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(1000, "training", "img") as bar:
        bar.update(900)
        bar.update(128)
        assert (bar.n, bar.total) == (1000, 1000)
