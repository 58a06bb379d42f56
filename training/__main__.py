"""`digitforge-train`, or `python -m training`."""

import sys

from digitforge.extras import require

INTERRUPTED = 130


def main() -> int:
    """Run the command. Ctrl-C ends it cleanly from the first moment, while torch is still being imported."""
    require("train", "digitforge-train")
    try:
        from training.command import main as command

        return command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
