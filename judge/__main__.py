"""`digitforge-evaluate`, or `python -m judge`."""

import sys

from judge.command import main

if __name__ == "__main__":
    sys.exit(main())
