"""The server process: loads the models, opens the port, and closes both in order."""

import asyncio
import signal
import socket
from collections.abc import Callable
from importlib.metadata import version as package_version

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from serving.data_plane import DataPlane
from serving.device import pick_provider
from serving.model_repository import choose_versions, find_repository
from serving.served_version import ServedVersion
from serving.settings import Settings
from serving.transport import SERVICE, DigitsServicer, add_digits_servicer

RESPONSE_ROOM = 64 * 1024  # of a Generate answer, beside its pixels


class PortError(Exception):
    """The address cannot be listened on."""


async def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in flight.

    Args:
        settings: What, where, how much.
        say: Called with a line for a person at the start and at the end.

    Raises:
        RepositoryError: There is no such model version, or it is not what it should be.
        DeviceError: The device cannot be had.
        PortError: The address is taken or not this machine's.
    """
    repository = find_repository(settings.model_repository)
    provider = pick_provider(settings.device)
    versions = {
        number: ServedVersion(repository, number, provider, settings.threads or 1, settings)
        for number in choose_versions(repository, settings.versions)
    }
    data_plane = DataPlane(versions, settings)
    server, checks, address = await _listen(settings, data_plane)
    wishes: asyncio.Queue[None] = asyncio.Queue()  # to stop; the second one is to stop at once
    for wish in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(wish, wishes.put_nowait, None)

    for number, served in versions.items():
        kind = "class-conditional" if served.metadata.classes else "without classes"
        say(
            f"version {number} of {repository}: run {served.metadata.run_id}, trained on {served.metadata.dataset}, "
            f"{kind}, on {served.provider}"
        )
    say(f"digitforge {package_version('digitforge')} serves on {address} (Ctrl-C to stop)")
    await wishes.get()

    # First nobody new is sent here, then the port closes and calls in flight end, and only then the models go.
    say(f"shutting down; calls in flight have {settings.grace_s:g} s (again to stop at once)")
    await checks.enter_graceful_shutdown()
    await _stop(server, settings.grace_s, wishes)
    await data_plane.close()


async def _stop(server: grpc.aio.Server, grace_s: float, wishes: asyncio.Queue[None]) -> None:
    """Close the port and wait for calls in flight, up to `grace_s` or the next wish."""
    graceful, hurry = asyncio.ensure_future(server.stop(grace_s)), asyncio.ensure_future(wishes.get())
    await asyncio.wait((graceful, hurry), return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not graceful.done():
        await server.stop(None)
        await graceful


async def _listen(settings: Settings, data_plane: DataPlane) -> tuple[grpc.aio.Server, health.aio.HealthServicer, str]:
    """Open the port, with the digits, the health and the reflection service behind it."""
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),  # a second server on the port is refused instead of sharing it
            ("grpc.max_receive_message_length", settings.max_request_bytes),
            (
                "grpc.max_send_message_length",
                max(settings.max_images, settings.stream_chunk_images) * 1024 + RESPONSE_ROOM,
            ),
        ]
    )
    add_digits_servicer(DigitsServicer(data_plane), server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    reflection.enable_server_reflection([SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME], server)

    _check_address(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        port = server.add_insecure_port(f"{host}:{settings.port}")
    except RuntimeError as error:  # taken since it was checked
        raise PortError(f"cannot listen on {host}:{settings.port}: {error}") from error
    await server.start()
    for service in ("", SERVICE):
        await checks.set(service, health_pb2.HealthCheckResponse.SERVING)
    return server, checks, f"{host}:{port}"


def _check_address(host: str, port: int) -> None:
    """Raises PortError with the system's own reason if nothing can listen there; gRPC would only say that it failed."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC does: old connections do not count
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or error
        raise PortError(
            f"cannot listen on {host} port {port}: {reason}; choose another with --host and --port "
            "(DIGITFORGE_HOST and DIGITFORGE_PORT)"
        ) from error
