"""This tree's server without what it tells of its calls and models: no counters, no access lines.

python untold.py OPTIONS-OF-THE-SERVER
"""

import sys
from typing import Any

from serving.command import main
from serving.engine.observer import Unobserved
from serving.process import worker
from serving.transport.observer import Nobody


def nobody(*_: Any) -> Nobody:
    """Tell nobody of calls."""
    return Nobody()


def unobserved(*_: Any) -> Unobserved:
    """Count nothing."""
    return Unobserved()


if __name__ == "__main__":
    worker.TransportObserver = nobody  # type: ignore[assignment,misc]
    worker.ModelObserver = unobserved  # type: ignore[assignment,misc]
    sys.exit(main())
