"""`grpc.health.v1.Health`: who serves, for those that ask and those that watch.

A watcher that does not read holds up itself alone: telling a status and ending all watches wait for nobody. (With
grpcio-health-checking's servicer for asyncio, both wait for a lock that a watcher keeps while it writes.)
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
Context = grpc.aio.ServicerContext[Any, Any]
Status: TypeAlias = int  # a HealthCheckResponse.ServingStatus
messages: Any = health_pb2  # those of List are newer than its types


class HealthServicer(health_pb2_grpc.HealthServicer):
    """The statuses of services by their names, of which "" is the whole server's."""

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {}
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)  # an event each: there is news
        self._is_shutting_down = False

    def set(self, service: str, status: Status) -> None:
        """Tell a service's status; once the shutdown has begun, it stays NOT_SERVING."""
        if not self._is_shutting_down:
            self._tell(service, status)

    def enter_graceful_shutdown(self) -> None:
        """All services are NOT_SERVING from now on; who watches is told so, and then UNAVAILABLE."""
        self._is_shutting_down = True
        for service in self._statuses:
            self._tell(service, HealthCheckResponse.NOT_SERVING)
        for events in self._watchers.values():
            for news in events:
                news.set()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> HealthCheckResponse:
        if (status := self._statuses.get(request.service)) is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"service {request.service!r} is not known here")
        return HealthCheckResponse(status=status)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[HealthCheckResponse]:
        service, told, news = request.service, None, asyncio.Event()
        self._watchers[service].add(news)
        try:
            while True:
                news.clear()
                # A reader that was slow misses what is no longer so.
                status = self._statuses.get(service, HealthCheckResponse.SERVICE_UNKNOWN)
                if status != told:
                    told = status
                    yield HealthCheckResponse(status=status)
                elif self._is_shutting_down:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
                else:
                    await news.wait()
        finally:
            self._watchers[service].discard(news)
            if not self._watchers[service]:
                del self._watchers[service]

    async def List(
        self,
        request: Any,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> Any:
        return messages.HealthListResponse(
            statuses={service: HealthCheckResponse(status=status) for service, status in self._statuses.items()}
        )

    def _tell(self, service: str, status: Status) -> None:
        self._statuses[service] = status
        for news in self._watchers.get(service, ()):
            news.set()
