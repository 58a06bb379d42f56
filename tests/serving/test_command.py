"""What the parent says must not hold it up, whoever is there to read it."""

import fcntl
import json
import os
import sys

import pytest

from serving.command import LONGEST_LINE, PIPE_BYTES, say, warn


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


@pytest.mark.parametrize("character", ["x", '"', "\n", "ж", "😀"])
def test_long_line_of_json_is_whole_json_that_a_pipe_takes_at_once(
    character: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say(character * 5_000, "json")
    warn(character * 5_000, "json")
    written = capsys.readouterr()
    for line, level in ((written.out, "info"), (written.err, "warning")):
        assert line.count("\n") == 1
        assert len(line.encode()) <= PIPE_BYTES
        fields = json.loads(line)
        assert fields["level"] == level
        assert len(fields["message"]) >= 250
        assert set(fields["message"]) == {character}
