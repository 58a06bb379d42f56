"""`digitforge`, or `python -m digitforge`."""

import sys

from digitforge.command import main

if __name__ == "__main__":
    sys.exit(main())
