"""The server's command line."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from importlib.metadata import version as package_version
from typing import Any

from serving.device import has_nvidia_driver
from serving.model_repository import (
    DISCRIMINATOR,
    GENERATOR,
    RepositoryError,
    choose_versions,
    find_repository,
    model_path,
)
from serving.port import PortError, address_of, reserve, share
from serving.settings import Settings, SettingsRefusedError
from serving.supervisor import StartError, Supervisor

FAILED, USAGE = 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; the exit code: 0 stopped cleanly, 1 failed, 2 wrong settings."""
    try:
        settings = Settings.load(arguments)
        check_models(settings)
        listener = reserve(settings.host, settings.port)
    except SettingsRefusedError as error:
        warn(str(error))
        return USAGE
    except (RepositoryError, PortError) as error:
        warn(str(error))
        return FAILED
    cores = cores_allowed()
    workers = settings.workers or (1 if settings.device != "cpu" and has_nvidia_driver() else cores)
    threads = settings.threads or max(1, cores // workers)
    greet = partial(_greet, address_of(listener), workers)
    if workers == 1:
        try:
            serve_here(settings, threads, _say_stopping(settings), listener, greet)
        except StartError as error:
            warn(str(error))
            return error.code
        return 0
    work = partial(serve_here, settings, threads, _nothing)
    return Supervisor(work, share(listener, workers), greet, say, warn).run()


def check_models(settings: Settings) -> None:
    """Look whether the files of the models are there, before a port is taken and anything is loaded.

    Raises:
        RepositoryError: They are not.
    """
    repository = find_repository(settings.model_repository)
    for version in choose_versions(repository, settings.versions):
        for model in (GENERATOR, DISCRIMINATOR):
            model_path(repository, model, version, settings.variant)


def serve_here(
    settings: Settings,
    threads: int,
    stopping: Callable[[], None],
    listener: socket.socket,
    ready: Callable[[list[str]], None],
) -> None:
    """Serve in this process.

    Raises:
        StartError: It cannot.
    """
    # Only now: the parent of several workers needs none of it, and forks before gRPC or ONNX Runtime has a thread.
    from serving.device import DeviceError
    from serving.server import serve

    try:
        _run(serve(settings, listener, threads, ready, stopping))
    except (RepositoryError, DeviceError) as error:
        raise StartError(str(error)) from error


def cores_allowed() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say(line: str) -> None:
    """A line for a person."""
    print(line, flush=True)


def warn(line: str) -> None:
    """A line for a person about what went wrong."""
    print(f"digitforge-serve: {line}", file=sys.stderr, flush=True)


def _greet(address: str, workers: int, lines: list[str]) -> None:
    for line in lines:
        say(line)
    by = f" with {workers} workers" if workers > 1 else ""
    say(f"digitforge {package_version('digitforge')} serves on {address}{by} (Ctrl-C to stop)")


def _say_stopping(settings: Settings) -> Callable[[], None]:
    return partial(say, f"shutting down; calls in flight have {settings.grace_s:g} s (again to stop at once)")


def _nothing() -> None:
    pass


def _run(serving: Coroutine[Any, Any, None]) -> None:
    """On uvloop where it is installed: calls cost about a third less there."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)
