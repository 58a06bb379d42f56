"""One serving process: loads the models, serves on its socket, and closes both in order."""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any

from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from serving.data_plane import DataPlane
from serving.device import pick_provider
from serving.http2.server import Server
from serving.model_repository import choose_versions, find_repository
from serving.served_version import ServedVersion
from serving.settings import Settings
from serving.supervisor import AT_ONCE
from serving.transport import SERVICE, DigitsServicer, add_digits_servicer

HELD_BYTES = 256 << 20  # of requests, by all calls of a process together; it is more where the largest ones need it


async def serve(
    settings: Settings,
    listener: socket.socket,
    threads: int,
    ready: Callable[[list[str]], None],
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in flight.

    Args:
        settings: What, and how much.
        listener: Where.
        threads: Of one inference on the CPU.
        ready: Called once it serves, with lines for a person about what.
        stopping: Called when it begins to stop.

    Raises:
        RepositoryError: There is no such model version, or it is not what it should be.
        DeviceError: The device cannot be had.
    """
    repository = find_repository(settings.model_repository)
    provider = pick_provider(settings.device)
    versions = {
        number: ServedVersion(repository, number, provider, threads, settings)
        for number in choose_versions(repository, settings.versions)
    }
    data_plane = DataPlane(versions, settings)
    wishes: asyncio.Queue[None] = asyncio.Queue()  # to stop; the second one is to stop at once
    for wish in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(wish) != signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(wish, wishes.put_nowait, None)
    asyncio.get_running_loop().add_signal_handler(AT_ONCE, _wish_twice, wishes)
    server, checks = await _listen(settings, data_plane, listener)
    ready(
        [
            f"version {number} of {repository}: run {served.metadata.run_id}, trained on {served.metadata.dataset}, "
            f"{'class-conditional' if served.metadata.classes else 'without classes'}, on {served.provider}"
            + (f", variant {served.variant}" if served.variant != "fp32" else "")
            for number, served in versions.items()
        ]
    )
    await wishes.get()

    # First nobody new is sent here, then the port closes and calls in flight end, and only then the models go.
    stopping()
    await checks.enter_graceful_shutdown()
    await _stop(server, settings.grace_s, wishes)
    await data_plane.close()


def _wish_twice(wishes: asyncio.Queue[None]) -> None:
    for _ in range(2):
        wishes.put_nowait(None)


async def _stop(server: Server, grace_s: float, wishes: asyncio.Queue[None]) -> None:
    """Close the port and wait for calls in flight, up to `grace_s` or the next wish."""
    graceful, hurry = asyncio.ensure_future(server.stop(grace_s)), asyncio.ensure_future(wishes.get())
    await asyncio.wait((graceful, hurry), return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not graceful.done():
        graceful.cancel()
        await server.stop(None)


async def _listen(
    settings: Settings, data_plane: DataPlane, listener: socket.socket
) -> tuple[Server, health.aio.HealthServicer]:
    """Serve the digits, the health and the reflection service on a socket."""
    held_bytes = max(HELD_BYTES, 4 * settings.max_request_bytes)
    server = Server(settings.max_request_bytes, (f"/{health.SERVICE_NAME}/Watch",), held_bytes)
    add_digits_servicer(DigitsServicer(data_plane), server)
    checks = health.aio.HealthServicer()
    registry: Any = server  # it registers as a grpc.aio.Server does, and is none
    health_pb2_grpc.add_HealthServicer_to_server(checks, registry)
    names = [SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflection.aio.ReflectionServicer(names), registry)
    await server.start(listener)
    for service in ("", SERVICE):
        await checks.set(service, health_pb2.HealthCheckResponse.SERVING)
    return server, checks
