"""The well-behaved caller: calls on a fixed schedule, whose answers are known, beside whatever else the server bears.

A call's latency counts from the moment it was due (open loop), so that a server which stands still is seen to, by every
call that it has kept waiting.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc

from protos.digits.v1 import digits_pb2 as pb
from protos.digits.v1 import digits_pb2_grpc

RATE = 50.0  # calls a second
TIMEOUT_S = 5.0
WARM_UP = 50  # of each kind
GENERATE = pb.GenerateRequest(seed=11, n=3, offset=5)
SCORE = pb.ScoreRequest(image=b"\x80" * 784, format=pb.IMAGE_FORMAT_RAW)


@dataclass(frozen=True)
class Calls:
    """What came of calls.

    Attributes:
        right: How many were answered as they should be.
        wrong: Answered otherwise.
        refused: By the names of their statuses.
        words: What the first that was refused was told.
        latencies_ms: Of all, ascending.
    """

    right: int = 0
    wrong: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    words: str = ""
    latencies_ms: tuple[float, ...] = ()

    def percentile_ms(self, percent: float) -> float:
        """The latency that so many percent do not exceed; 0 where there are none."""
        if not self.latencies_ms:
            return 0.0
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * percent / 100))]


def right_answers(port: int) -> tuple[bytes, bytes]:
    """What Generate and Score of a server answer while nobody else asks, serialised; it is warm afterwards."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = digits_pb2_grpc.DigitsStub(channel)
        for _ in range(WARM_UP):
            generated = stub.Generate(GENERATE, wait_for_ready=True, timeout=30)
            scored = stub.Score(SCORE, timeout=30)
        return generated.SerializeToString(), scored.SerializeToString()


def call_on_schedule(port: int, count: int, right: tuple[bytes, bytes]) -> Calls:
    """So many calls, Generate and Score in turn, each at its moment whatever has become of those before it."""
    ended: dict[int, float] = {}
    calls = []
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = digits_pb2_grpc.DigitsStub(channel)
        start = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))
            method, request = (stub.Score, SCORE) if number % 2 else (stub.Generate, GENERATE)
            call = method.future(request, timeout=TIMEOUT_S)
            call.add_done_callback(lambda _, number=number: ended.setdefault(number, time.monotonic()))
            calls.append(call)
        return _judged(calls, right, lambda number: (ended[number] - start - number / RATE) * 1000)


def _judged(calls: list[Any], right: tuple[bytes, bytes], latency_ms: Any) -> Calls:
    rights, refused, words = 0, Counter[str](), ""
    for number, call in enumerate(calls):
        try:
            rights += call.result().SerializeToString() == right[number % 2]
        except grpc.RpcError:
            refused[call.code().name] += 1
            words = words or call.details()
    time.sleep(0.1)  # the last callback may come after its result
    latencies = sorted(latency_ms(number) for number in range(len(calls)))
    return Calls(rights, len(calls) - rights - refused.total(), refused, words, tuple(latencies))
