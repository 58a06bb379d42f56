"""The server's command line."""

import os
import select
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version as package_version
from typing import TextIO

from digitforge.machine.cores import cores_allowed
from serving.address import UNIX, address_of
from serving.engine.device import has_nvidia_driver
from serving.process import picture_process
from serving.process.heartbeat import HangWatch, Heartbeats
from serving.process.picture_decoder import Limits
from serving.process.port import PortError, hold, release, reserve, share
from serving.process.supervisor import Supervisor, Tell
from serving.repository.choice import choose
from serving.repository.model_config import RepositoryError
from serving.repository.model_repository import find_repository
from serving.settings import Settings, SettingsRefusedError
from serving.telemetry.families import FAMILIES
from serving.telemetry.lines import Format, json_line
from serving.telemetry.processes import WorkerCounts
from serving.telemetry.store import Store

LOOPBACK = "127.0.0.1"
FAILED, USAGE = 1, 2
PIPE_BYTES = 4096  # that a pipe takes at once, where it takes any
LONGEST_LINE = 1000  # characters, of up to 4 bytes


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; the exit code: 0 stopped cleanly, 1 failed, 2 wrong settings."""
    try:
        settings = Settings.load(arguments)
        check_models(settings)
        listener = reserve(settings.host, settings.port)
        metrics = reserve_metrics(settings)
    except SettingsRefusedError as error:
        warn(str(error))
        return USAGE
    except (RepositoryError, PortError) as error:
        warn(str(error))
        return FAILED
    cores = cores_allowed()
    workers = settings.workers or (1 if settings.device != "cpu" and has_nvidia_driver() else cores)
    threads = settings.threads or max(1, cores // workers)
    settings = settings.model_copy(
        update={"picture_processes": settings.picture_processes or min(8, max(2, cores // 2))}
    )
    to_pictures, of_workers = socket.socketpair(type=socket.SOCK_DGRAM)
    limits = Limits.of(settings.max_image_pixels, settings.max_picture_s)
    decode = partial(picture_process.work, of_workers, limits)
    address = address_of(listener)
    # grpcio's servers listen by themselves, on what is kept for them.
    sockets = [hold(listener)] * workers if settings.transport == "grpcio" else share(listener, workers)
    # Memory that processes share is made before they are forked.
    heartbeats, store = Heartbeats(slots=2 * workers), Store(FAMILIES, slots=2 * workers + 1)
    companions: dict[str, Callable[[], None]] = {
        f"picture-{number}": decode for number in range(settings.picture_processes)
    }
    if metrics is not None:
        companions["monitor"] = partial(watch, store, metrics)
    say_so = partial(say, form=settings.log_format)
    supervisor = Supervisor(
        partial(work, settings, threads, to_pictures, heartbeats, store),
        sockets,
        partial(_greet, address, workers, metrics, say_so),
        say_so,
        partial(warn, form=settings.log_format),
        grace_s=settings.grace_s,
        companions=companions,
        watch=HangWatch(heartbeats, settings.hang_s) if settings.hang_s else None,
        observer=WorkerCounts(store, 2 * workers, workers),
    )
    try:
        return supervisor.run()
    finally:
        release(address)


def check_models(settings: Settings) -> None:
    """Look whether the files of the models are there, before a port is taken and anything is loaded.

    Raises:
        RepositoryError: They are not.
    """
    choice = choose(find_repository(settings.model_repository), settings.versions, settings.variant)
    choice.check(settings.strict)


def work(
    settings: Settings,
    threads: int,
    pictures: socket.socket,
    heartbeats: Heartbeats,
    store: Store,
    listener: socket.socket,
    tell: Tell,
    slot: int,
) -> None:
    """A worker's whole life: see `serving.process.worker.work`."""
    # Only now: the parent needs none of it, and forks before gRPC or ONNX Runtime has a thread.
    from serving.process import worker

    worker.work(settings, threads, pictures, heartbeats, store, listener, tell, slot)


def watch(store: Store, listener: socket.socket) -> None:
    """The monitor's whole life: see `serving.process.monitor`."""
    from serving.process import monitor  # only now, as above

    monitor.monitor(store, listener)


def reserve_metrics(settings: Settings) -> socket.socket | None:
    """A socket for the monitor, where one is asked for, on the server's host; beside a Unix socket, on this machine's.

    Raises:
        PortError: It cannot be had.
    """
    if settings.metrics_port is None:
        return None
    host = LOOPBACK if settings.host.startswith(UNIX) else settings.host
    return reserve(host, settings.metrics_port, "metrics_port")


def say(line: str, form: Format = "text") -> None:
    """A line about what is done."""
    _tell(_json("info", line) if form == "json" else line[:LONGEST_LINE], sys.stdout)


def warn(line: str, form: Format = "text") -> None:
    """A line about what went wrong."""
    _tell(_json("warning", line) if form == "json" else f"digitforge-serve: {line}"[:LONGEST_LINE], sys.stderr)


def _json(level: str, message: str) -> str:
    """A line of JSON that a pipe takes at once: of a message that is too long, the end is left out."""
    now, message = time.time(), message[:LONGEST_LINE]
    while len(line := json_line(now, level, message)) >= PIPE_BYTES:  # a character may be written as 12
        message = message[: len(message) // 2]
    return line


def _tell(line: str, stream: TextIO) -> None:
    """Nobody may be there to read it, as behind `| head -1`: that must not end the server, or keep it from stopping.

    Nor must a reader that is there and does not read: what its pipe does not take at once is left out.
    """
    try:
        if _takes(stream):
            print(line, file=stream, flush=True)
    except OSError:  # a pipe that nobody reads, or a terminal that is gone
        # Python would try again to write the line at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _takes(stream: TextIO) -> bool:
    """Whether a line can be written without waiting; a pipe that says so has room for `PIPE_BYTES`."""
    try:
        return bool(select.select([], [stream], [], 0)[1])
    except (OSError, ValueError):  # no file, or one that select does not know
        return True


def _greet(
    address: str, workers: int, metrics: socket.socket | None, say: Callable[[str], None], lines: Sequence[str]
) -> None:
    for line in lines:
        say(line)
    if metrics is not None:
        say(f"metrics at http://{address_of(metrics)}/metrics")
    by = f" with {workers} workers" if workers > 1 else ""
    say(f"digitforge {package_version('digitforge')} serves on {address}{by} (Ctrl-C to stop)")
