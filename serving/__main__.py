"""`digitforge-serve`, or `python -m serving`."""

import sys

from digitforge.extras import require
from digitforge.machine.ctrl_c import end_at_ctrl_c


def main() -> int:
    """Run the command. Ctrl-C ends it cleanly from the first moment; once it serves, the command takes it over."""
    end_at_ctrl_c()
    require("serve", "digitforge-serve")
    from serving.command import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
