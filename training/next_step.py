"""Command lines that a person can copy, whatever is in a path."""

import shlex


def make(target: str, **variables: str) -> str:
    """`make target NAME=value`, quoted for the shell, and for make itself, to which a dollar is a variable's."""
    given = (f"{name}={shlex.quote(value.replace('$', '$$'))}" for name, value in variables.items())
    return " ".join(("make", target, *given))
