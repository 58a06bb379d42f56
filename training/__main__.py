"""`digitforge-train`, or `python -m training`."""

import os
import sys

from digitforge.extras import require

INTERRUPTED = 130


def main() -> int:
    """Run the command. Ctrl-C ends it cleanly from the first moment, while torch is still being imported."""
    require("train", "digitforge-train")
    # Threads that wait leave their core to others; libgomp's would spin. It reads this once, as torch loads it.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # NumPy's products are small, and its threads' waiting would take a core from each process that makes pictures.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from training.command import main as command

        return command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
