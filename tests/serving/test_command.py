"""What the parent says must not hold it up, whoever is there to read it."""

import fcntl
import os
import sys

import pytest

from serving.command import LONGEST_LINE, say


def test_line_is_left_out_where_its_reader_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        say("first")
        full = os.get_blocking(writing)
        os.set_blocking(writing, False)
        filled = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ) - len("first\n")
        assert os.write(writing, bytes(filled)) == filled
        os.set_blocking(writing, full)
        say("would wait for ever")
        assert reader.read(len("first\n") + filled).startswith(b"first\n")
        say("x" * 2 * LONGEST_LINE)
        assert reader.read(LONGEST_LINE + 1) == b"x" * LONGEST_LINE + b"\n"
