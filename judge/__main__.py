"""`digitforge-evaluate`, or `python -m judge`."""

import sys

from digitforge.extras import require


def main() -> int:
    """Run the command."""
    require("train", "digitforge-evaluate")
    from judge.command import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
