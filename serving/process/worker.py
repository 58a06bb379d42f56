"""A worker: loads the models, serves on its socket, and closes both in order."""

import asyncio
import gc
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.digits.data_plane import DataPlane
from serving.digits.picture_line import PictureLine
from serving.engine.device import DeviceError, pick_provider
from serving.process.child import AT_ONCE, StartError
from serving.process.heartbeat import BEAT_S, Heartbeats
from serving.process.memory import Memory, resident_bytes, share_one_heap
from serving.process.models import load
from serving.process.supervisor import Renewal, Tell
from serving.repository.choice import choose
from serving.repository.model_config import RepositoryError
from serving.repository.model_repository import find_repository
from serving.services import health, reflection
from serving.services.digits import SERVICE, DigitsServicer, add_digits_servicer
from serving.services.inference import SERVICE as INFERENCE
from serving.services.inference import InferenceServicer, add_inference_servicer
from serving.settings import Settings
from serving.telemetry.access_log import AccessLog
from serving.telemetry.connections import TransportObserver
from serving.telemetry.families import UNLOGGED
from serving.telemetry.lines import log_as
from serving.telemetry.models import Figures, ModelObserver
from serving.telemetry.processes import WorkerGauges
from serving.telemetry.store import Slot, Store
from serving.transport import grpc_aio
from serving.transport.http2 import server as http2
from serving.transport.limits import Limits

Server = http2.Server | grpc_aio.Server
COMPRESSIONS = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}


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
    """Serve in this process until it is told to stop.

    Args:
        settings: What, and how much.
        threads: Of one inference on the CPU.
        pictures: The line for the picture processes; see `serving.digits.picture_line`.
        heartbeats: Of all workers.
        store: Where all count.
        listener: Where.
        tell: See `serving.process.supervisor.Tell`.
        slot: Of this process in memory that all share.

    Raises:
        StartError: It cannot.
    """
    log_as(settings.log_format)
    share_one_heap()
    try:
        gauges = WorkerGauges(store, slot)
        _run(serve(settings, listener, pictures, threads, tell, partial(heartbeats.beat, slot), gauges))
    except (RepositoryError, DeviceError) as error:
        raise StartError(str(error)) from error


async def serve(
    settings: Settings,
    listener: socket.socket,
    pictures: socket.socket,
    threads: int,
    tell: Tell,
    beat: Callable[[], None],
    gauges: WorkerGauges,
) -> None:
    """Serve until SIGTERM, then finish what is in flight; `AT_ONCE` is not to wait for it.

    Args:
        settings: What, and how much.
        listener: Where.
        pictures: The line for the picture processes; see `serving.digits.picture_line`.
        threads: Of one inference on the CPU.
        tell: Called once it serves, with lines for a person about what, and when it should be replaced.
        beat: Called as long as the event loop turns.
        gauges: Of this process; their slot is where everything is counted.

    Raises:
        RepositoryError: There is no such model version, or it is not what it should be.
        DeviceError: The device cannot be had.
    """
    choice = choose(find_repository(settings.model_repository), settings.versions, settings.variant)
    observe = partial(ModelObserver, gauges.slot)
    loaded = load(choice, pick_provider(settings.device), threads, settings, observe)
    stop, at_once = asyncio.Event(), asyncio.Event()
    # As often as it comes: who ends a service sends it to all of its processes, and the parent sends one more.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    asyncio.get_running_loop().add_signal_handler(AT_ONCE, _set_both, stop, at_once)
    picture_line = PictureLine(pictures, settings.picture_processes)
    log = AccessLog(settings.access_log, settings.log_format, gauges.slot.value(UNLOGGED))
    digits = DigitsServicer(DataPlane(loaded.pairs, settings), picture_line) if loaded.pairs else None
    inference = InferenceServicer(loaded.table, lambda model: Figures.of(gauges.store, model.name, model.version))
    server, checks = await _listen(settings, digits, inference, listener, gauges.slot, log)
    gauges.serves(True)
    gc.collect()
    gc.freeze()  # what is there stays: a full collection, which stops all calls, passes it over from here on
    tell(loaded.lines)
    pulse = asyncio.create_task(_pulse(beat, Memory(), tell, gauges))
    await stop.wait()
    pulse.cancel()
    gauges.serves(False)

    # First nobody new is sent here, then the port closes and calls in flight end, and only then the models go.
    checks.enter_graceful_shutdown()
    inference.enter_graceful_shutdown()
    await _stop(server, settings.grace_s, at_once)
    await loaded.close()
    log.close()


async def _pulse(beat: Callable[[], None], memory: Memory, tell: Tell, gauges: WorkerGauges) -> None:
    """Show that the event loop turns, and look what this process has grown to."""
    while True:
        beat()
        if (reason := memory.look(time.monotonic())) is not None:
            tell(Renewal(reason))
        due = time.monotonic() + BEAT_S
        await asyncio.sleep(BEAT_S)
        gauges.turned(time.monotonic() - due, resident_bytes())


def _set_both(stop: asyncio.Event, at_once: asyncio.Event) -> None:
    stop.set()
    at_once.set()


async def _stop(server: Server, grace_s: float, at_once: asyncio.Event) -> None:
    """Close the port and wait for calls in flight, up to `grace_s` or until it is to be at once."""
    graceful, hurry = asyncio.ensure_future(server.stop(grace_s)), asyncio.ensure_future(at_once.wait())
    await asyncio.wait((graceful, hurry), return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not graceful.done():
        graceful.cancel()
        await server.stop(None)


async def _listen(
    settings: Settings,
    digits: DigitsServicer | None,
    inference: InferenceServicer,
    listener: socket.socket,
    slot: Slot,
    log: AccessLog,
) -> tuple[Server, health.HealthServicer]:
    """Serve the digits, where there are any, every model, the health and the reflection service on a socket."""
    server = _build_server(settings, slot, log)
    registry: Any = server  # it registers as a grpc.aio.Server does, and is none
    add_inference_servicer(inference, registry)
    services = [INFERENCE]
    if digits is not None:
        add_digits_servicer(digits, registry)
        services.append(SERVICE)
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, registry)
    reflection.add_reflection([*services, health.SERVICE], registry)
    await server.start(listener)
    for service in ("", *services):
        checks.set(service, health_pb2.HealthCheckResponse.SERVING)
    return server, checks


def _build_server(settings: Settings, slot: Slot, log: AccessLog) -> Server:
    limits, compression = _limits(settings), COMPRESSIONS[settings.compression]
    observer = TransportObserver(slot, log)
    if settings.transport == "grpcio":
        return grpc_aio.Server(limits, compression, observer)
    small = [health.SERVICE, *reflection.SERVICES]
    return http2.Server(limits, small, (f"/{health.SERVICE}/Watch",), compression, observer)


def _limits(settings: Settings) -> Limits:
    """What peers are given; as many bytes more as the largest requests need."""
    largest = settings.max_request_bytes
    return Limits(
        max_message_bytes=largest,
        held_bytes=max(Limits.held_bytes, 8 * largest),
        connection_held_bytes=max(Limits.connection_held_bytes, 4 * largest),
        max_connections=settings.max_connections,
        max_streams=settings.max_connection_streams,
        max_resets_per_s=settings.max_resets_per_s,
        handshake_s=settings.handshake_s,
        max_age_s=settings.max_connection_age_s,
        age_grace_s=settings.max_connection_age_grace_s,
        max_idle_s=settings.max_connection_idle_s,
        keepalive_s=settings.keepalive_s,
        keepalive_timeout_s=settings.keepalive_timeout_s,
        min_ping_interval_s=settings.min_ping_interval_s,
        max_ping_strikes=settings.max_ping_strikes,
    )


def _run(serving: Coroutine[Any, Any, None]) -> None:
    """On uvloop where it is installed: calls cost about a third less there."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)
