"""`digitforge`, or `python -m digitforge`."""

import sys

from digitforge.machine.ctrl_c import end_at_ctrl_c


def main() -> int:
    """Run the command. Ctrl-C ends it in a word from the first moment."""
    end_at_ctrl_c()
    from digitforge.command import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
