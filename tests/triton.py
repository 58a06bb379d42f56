"""Triton's own Python client, in a process of its own: its messages have the names of ours."""

import json
import subprocess
import sys
from typing import Any


def in_tritons_process(code: str, *arguments: str, text: str = "") -> Any:
    """What a program prints, as JSON; it has the arguments in `sys.argv` and the text on its standard input.

    Raises:
        AssertionError: It fails; with what it said.
    """
    result = subprocess.run([sys.executable, "-c", code, *arguments], input=text, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
