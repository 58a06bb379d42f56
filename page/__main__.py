"""`digitforge-page`, or `python -m page`."""

import os
import sys

from digitforge.extras import require
from digitforge.machine.ctrl_c import end_at_ctrl_c


def main() -> int:
    """Run the command. Ctrl-C ends it cleanly from the first moment; once the page is up, the command takes it over."""
    end_at_ctrl_c()
    require("page", "digitforge-page")
    # gRPC need not live through a fork: what is forked here becomes another program at once.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from page.command import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
