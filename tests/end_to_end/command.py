"""The client's commands as tests run them."""

from collections.abc import Callable
from subprocess import CompletedProcess

Command = Callable[..., CompletedProcess[str]]


def assert_fails(result: CompletedProcess[str], code: int, *words: str) -> None:
    """With a line for a person, and no traceback."""
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("digitforge")
    for word in words:
        assert word in last
