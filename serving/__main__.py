"""The server's command line: `digitforge-serve`, or `python -m serving`."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from serving.device import DeviceError
from serving.model_repository import RepositoryError
from serving.server import PortError, serve
from serving.settings import Settings, SettingsRefusedError

FAILED, USAGE = 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; the exit code: 0 stopped cleanly, 1 failed, 2 wrong settings."""
    try:
        settings = Settings.load(arguments)
        run = _event_loop_runner()
        run(serve(settings, say))
    except SettingsRefusedError as error:
        print(f"digitforge-serve: {error}", file=sys.stderr)
        return USAGE
    except (RepositoryError, DeviceError, PortError) as error:
        print(f"digitforge-serve: {error}", file=sys.stderr)
        return FAILED
    return 0


def _event_loop_runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Uvloop's where it is installed: calls cost about a third less there."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


def say(line: str) -> None:
    """A line for a person."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
