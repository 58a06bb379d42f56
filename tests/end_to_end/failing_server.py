"""A server that has nothing of ours but the contract, and fails as a test says."""

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from protos.digits.v1 import digits_pb2 as pb
from protos.digits.v1 import digits_pb2_grpc

PATIENCE_S = 60
NEWEST = 7


def image(seed: int, index: int, version: int) -> bytes:
    """784 bytes that no other address has."""
    return b"".join((seed.to_bytes(8), index.to_bytes(8), version.to_bytes(4))).ljust(784, b"\0")


class FailingDigits(digits_pb2_grpc.DigitsServicer):
    """Gives images that name their addresses, and every image the probability 0.5.

    Attributes:
        failures: What the next attempts end with, the first one first; once there are none, calls succeed.
        metadata: What comes with each failure.
        breaks: After how many messages the next streams that do not fail end, and with which status.
        attempts: Calls so far, as many as reached the server.
        requests: Those of GenerateStream, in order.
        seconds_left: What each call had when it came.
        newest: What version 0 means.
        holds: Whether calls are held: Score before it answers, the streams once they have answered.
        spared: An image whose Score is answered all the same.
        real, verdict: What Score answers; the verdict is of the number 0 for a server that knows none.
        held: Released by each call when it begins to be held.
        ended: Released by each held call when its caller has ended it.
        chunk: Images in a message of GenerateStream.
        skips: How far from the offset that is asked for its images begin.
        excess: Images beyond those that are asked for.
        generators: The hash of the generator's file that the answers of the next calls of GenerateStream tell.
    """

    def __init__(self) -> None:
        self.failures: list[grpc.StatusCode] = []
        self.metadata: tuple[tuple[str, str | bytes], ...] = ()
        self.breaks: list[tuple[int, grpc.StatusCode]] = []
        self.attempts = 0
        self.requests: list[pb.GenerateRequest] = []
        self.seconds_left: list[float] = []
        self.newest = NEWEST
        self.holds = False
        self.spared: bytes | None = None
        self.real, self.verdict = False, pb.VERDICT_UNSPECIFIED
        self.held, self.ended = threading.Semaphore(0), threading.Semaphore(0)
        self.chunk = 512
        self.skips = self.excess = 0
        self.generators: list[str] = []
        self._lock = threading.Lock()

    def GenerateStream(self, request: pb.GenerateRequest, context: Any) -> Iterator[pb.GenerateResponse]:
        self.requests.append(request)
        self._begin(context)
        messages, code = self.breaks.pop(0) if self.breaks else (request.n, grpc.StatusCode.OK)
        version = request.version or self.newest
        seed = request.seed if request.HasField("seed") else secrets.randbits(64)
        n = request.n + self.excess
        generator = self.generators.pop(0) if self.generators else ""
        for start in range(0, n, self.chunk)[:messages]:
            offset = request.offset + start + self.skips
            indices = range(offset, offset + min(self.chunk, n - start))
            yield pb.GenerateResponse(
                images=[image(seed, index, version) for index in indices],
                height=28,
                width=28,
                seed=seed,
                offset=offset,
                version=version,
                generator_sha256=generator,
            )
        if code is not grpc.StatusCode.OK:
            context.abort(code, f"it breaks with {code.name}")
        self._hold(context)

    def Score(self, request: pb.ScoreRequest, context: Any) -> pb.ScoreResponse:
        self._begin(context)
        if request.image != self.spared:
            self._hold(context)
        return pb.ScoreResponse(real_probability=0.5, version=1, real=self.real, verdict=self.verdict)

    def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        self._begin(context)
        return pb.ListModelsResponse(models=[pb.Model(version=self.newest)])

    def _begin(self, context: Any) -> None:
        with self._lock:
            self.attempts += 1
            self.seconds_left.append(context.time_remaining())
            failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            context.set_trailing_metadata(self.metadata)
            context.abort(failure, f"it fails with {failure.name}")

    def _hold(self, context: Any) -> None:
        if self.holds:
            gone = threading.Event()
            context.add_callback(gone.set)
            self.held.release()
            if gone.wait(PATIENCE_S):
                self.ended.release()


@contextmanager
def served(digits: FailingDigits, at: str = "127.0.0.1:0") -> Iterator[str]:
    """A server of grpcio's with these digits; its address."""
    server = grpc.server(ThreadPoolExecutor(64), options=[("grpc.max_receive_message_length", -1)])
    digits_pb2_grpc.add_DigitsServicer_to_server(digits, server)
    port = server.add_insecure_port(at)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
