"""A server that has nothing of ours but the contract, and fails as a test says."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc

from protos.digits.v1 import digits_pb2 as pb
from protos.digits.v1 import digits_pb2_grpc

PATIENCE_S = 60
BLACK = bytes(784)


class FailingDigits(digits_pb2_grpc.DigitsServicer):
    """Gives black digits, and every image the probability 0.5.

    Attributes:
        failures: What the next attempts end with, the first one first; once there are none, calls succeed.
        attempts: Calls so far, as many as reached the server; a ScoreStream from its first image on.
        seconds_left: What each of them had when it came.
        holds: Whether calls are held: before they score an image, and once they have generated all.
        free: So many images of a ScoreStream are scored before it is held.
        held: Released by each call when it begins to be held.
        ended: Released by each held call when its caller has ended it.
        chunk: Images in a message of GenerateStream.
    """

    def __init__(self) -> None:
        self.failures: list[grpc.StatusCode] = []
        self.attempts = 0
        self.seconds_left: list[float] = []
        self.holds = False
        self.free = 0
        self.held, self.ended = threading.Semaphore(0), threading.Semaphore(0)
        self.chunk = 512
        self._lock = threading.Lock()

    def GenerateStream(self, request: pb.GenerateRequest, context: Any) -> Iterator[pb.GenerateResponse]:
        self._begin(context)
        for start in range(0, request.n, self.chunk):
            count = min(self.chunk, request.n - start)
            yield pb.GenerateResponse(images=[BLACK] * count, height=28, width=28, seed=1, offset=start, version=1)
        self._hold(context)

    def Score(self, request: pb.ScoreRequest, context: Any) -> pb.ScoreResponse:
        self._begin(context)
        self._hold(context)
        return pb.ScoreResponse(real_probability=0.5, version=1)

    def ScoreStream(self, requests: Iterator[pb.ScoreRequest], context: Any) -> Iterator[pb.ScoreResponse]:
        for place, _ in enumerate(requests):
            if place == 0:
                self._begin(context)
            if place >= self.free:
                self._hold(context)
            yield pb.ScoreResponse(real_probability=0.5, version=1)

    def _begin(self, context: Any) -> None:
        with self._lock:
            self.attempts += 1
            self.seconds_left.append(context.time_remaining())
            failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            context.abort(failure, f"it fails with {failure.name}")

    def _hold(self, context: Any) -> None:
        if self.holds:
            gone = threading.Event()
            context.add_callback(gone.set)
            self.held.release()
            if gone.wait(PATIENCE_S):
                self.ended.release()


def serve(digits: FailingDigits, server: grpc.Server) -> str:
    """Let a server of grpcio's begin; its address."""
    digits_pb2_grpc.add_DigitsServicer_to_server(digits, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return f"127.0.0.1:{port}"
