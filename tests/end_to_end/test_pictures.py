"""Pictures that cost much to decode, and what others see of it."""

import os
import signal
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from PIL import Image

from benchmarks.serving_load.processes import cpu_s, family
from protos.digits.v1 import digits_pb2 as pb
from tests.picture_files import chunk, file_of

SOON_S = 20  # what such a picture once took was a minute; on a slow core one that is before takes more than 5
LARGEST = (16 << 20) - 1024
Refusal = Callable[..., tuple[grpc.StatusCode, str, list[Message]]]


def jpeg_of_segments() -> bytes:
    data, segment = file_of(Image.new("L", (28, 28)), "JPEG"), b"\xff\xe1\0\x09Exif\0\0a"
    return data[:2] + segment * ((LARGEST - len(data)) // len(segment)) + data[2:]


def png_with(parts: bytes) -> bytes:
    data = file_of(Image.new("L", (28, 28)), "PNG")
    start = data.index(b"IDAT") - 4
    return data[:start] + parts + data[start:]


def png_of_compressed_texts() -> bytes:
    return png_with(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 20), 9)) * 60)


def slow() -> bytes:
    """Empty parts of its pixels by the million, which take a second or so to read."""
    return png_with(chunk(b"IDAT", b"") * (LARGEST // 12 - 100))


SMALL = file_of(Image.linear_gradient("L").resize((56, 56)), "JPEG")


@pytest.mark.parametrize(
    ("data", "times", "message"),
    [
        (jpeg_of_segments(), 1, "image: a JPEG file of more than 1024 parts before its pixels, which is the limit"),
        (png_of_compressed_texts(), 20, "image: a PNG file of more than 16 compressed text and profile chunks"),
    ],
    ids=["segments", "texts"],
)
def test_picture_of_countless_parts_is_refused_and_others_are_answered_meanwhile(
    start_server: Callable[..., Any], connect: Callable[[str], Any], data: bytes, times: int, message: str
) -> None:
    server = start_server("--workers", "1")
    attacker, other = connect(server.address), connect(server.address)
    calls = [attacker.Score.future(pb.ScoreRequest(image=data), timeout=60) for _ in range(times)]
    for _ in range(20):
        other.Generate(pb.GenerateRequest(n=1), timeout=SOON_S)
    for call in calls:
        assert call.exception(SOON_S).code() == grpc.StatusCode.INVALID_ARGUMENT
        assert call.exception().details().startswith(message)


def test_slow_pictures_keep_nobody_else_waiting(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "1", "--picture-processes", "1")
    slow_ones, other = connect(server.address), connect(server.address)
    calls = [slow_ones.Score.future(pb.ScoreRequest(image=slow()), timeout=60) for _ in range(2)]
    while not any(call.done() for call in calls):
        other.Generate(pb.GenerateRequest(n=1), timeout=SOON_S)
        assert other.Score(pb.ScoreRequest(image=png_with(b"")), timeout=SOON_S).verdict == pb.VERDICT_NOTHING_FOUND
    assert all(call.result().verdict == pb.VERDICT_NOTHING_FOUND for call in calls)


def test_crowd_of_large_pictures_does_not_make_another_connection_wait_for_all_of_them(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "1", "--picture-processes", "1")
    crowd, other = connect(server.address), connect(server.address)
    large = file_of(Image.new("L", (5000, 5000)), "PNG")
    calls = [crowd.Score.future(pb.ScoreRequest(image=large), timeout=60) for _ in range(24)]
    while not any(call.done() for call in calls):  # they are all here
        time.sleep(0.01)
    assert other.Score(pb.ScoreRequest(image=SMALL), timeout=60).normalised
    assert sum(call.done() for call in calls) < len(calls) / 2
    assert all(call.result().normalised for call in calls)


def test_line_that_is_full_refuses_the_crowd_with_when_to_come_again_and_takes_another(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "1", "--picture-processes", "1")
    crowds, other = [connect(server.address) for _ in range(4)], connect(server.address)
    large = file_of(Image.new("L", (5000, 5000)), "PNG")
    calls = [crowd.Score.future(pb.ScoreRequest(image=large)) for crowd in crowds for _ in range(90)]
    while not any(call.done() for call in calls):
        time.sleep(0.01)
    assert other.Score(pb.ScoreRequest(image=SMALL), timeout=60).normalised
    refused = [call.exception() for call in calls if call.done() and call.exception() is not None]
    for call in calls:
        call.cancel()
    assert refused
    for error in refused:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "are waiting, the limits are 256 and 67108864" in error.details()
        assert 1000 <= int(dict(error.trailing_metadata())["grpc-retry-pushback-ms"]) <= 1500  # spread


def test_streams_of_more_pictures_than_the_line_takes_are_answered_whole(stub: Any) -> None:
    streams = [stub.ScoreStream((pb.ScoreRequest(image=SMALL) for _ in range(64)), timeout=60) for _ in range(6)]
    for answers in map(list, streams):
        assert len(answers) == 64
        assert not any(answer.HasField("error") for answer in answers)
        assert all(answer.normalised for answer in answers)


def test_picture_beyond_the_limit_of_time_is_refused_and_the_next_one_is_scored(
    start_server: Callable[..., Any], connect: Callable[[str], Any], refusal: Refusal
) -> None:
    stub = connect(start_server("--max-picture-s", "0.2").address)
    code, message, _ = refusal(lambda: stub.Score(pb.ScoreRequest(image=slow()), timeout=60))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message == "image: takes longer to decode than the limit of 0.2 s"
    assert stub.Score(pb.ScoreRequest(image=SMALL)).normalised


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the processes from Linux's /proc")
def test_killed_picture_process_is_told_and_replaced(
    start_server: Callable[..., Any], connect: Callable[[str], Any], refusal: Refusal
) -> None:
    server = start_server("--workers", "1", "--picture-processes", "1")
    stub = connect(server.address)
    assert stub.Score(pb.ScoreRequest(image=SMALL)).normalised  # it is up
    picture_process = family(server.process.pid)[2]
    data = slow()

    def kill() -> None:
        while cpu_s(picture_process) < before_s + 0.2:  # it is at work
            time.sleep(0.01)
        for pid in family(picture_process):
            os.kill(pid, signal.SIGKILL)

    before_s = cpu_s(picture_process)

    killer = threading.Thread(target=kill)
    killer.start()
    code, message, _ = refusal(lambda: stub.Score(pb.ScoreRequest(image=data), timeout=60))
    killer.join()
    assert (code, message) == (grpc.StatusCode.INTERNAL, "image: the process that decoded it has ended")
    assert stub.Score(pb.ScoreRequest(image=SMALL), timeout=60).normalised
    assert server.stop() == 0
