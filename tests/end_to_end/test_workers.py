"""Two workers on one port: the same bytes from both, and one that dies is replaced."""

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from subprocess import CompletedProcess
from typing import Any

import grpc
import onnx
import pytest

from protos.digits.v1 import digits_pb2 as pb

CLIENTS = 40
SEEDS = (1, 2**64 - 1)
IMAGES = 700


def workers(pid: int) -> list[int]:
    """The children of a server's parent that serve: those that have loaded the runtime."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if "onnxruntime" in Path(f"/proc/{child}/maps").read_text()]


def stop(pid: int) -> None:
    """Have a process stand still, and wait until all of its threads do: until then it takes connections, and loses them
    when it is killed."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 60
    while any(_state(thread) != "T" for thread in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < end
        time.sleep(0.01)


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the processes from Linux's /proc")


def images(response: pb.GenerateResponse) -> list[bytes]:
    return list(response.images)


@pytest.mark.parametrize("limits", [(), ("--max-batch-rows", "7"), ("--max-delay-ms", "2"), ("--threads", "2")])
def test_image_is_the_same_bytes_from_any_worker_in_any_batch_under_load(
    limits: tuple[str, ...], start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    alone = connect(start_server("--workers", "1").address)
    wholes = {seed: images(alone.Generate(pb.GenerateRequest(seed=seed, n=IMAGES))) for seed in SEEDS}
    address = start_server("--workers", "2", *limits).address
    stubs = [connect(address) for _ in range(CLIENTS)]  # a connection each: with 40, both workers have some

    def client(number: int) -> None:
        chance = Random(number)
        for _ in range(5):
            seed, offset = chance.choice(SEEDS), chance.randrange(IMAGES)
            n = min(chance.choice((1, 1, 2, 5, 64, 300, 600)), IMAGES - offset)
            request = pb.GenerateRequest(seed=seed, n=n, offset=offset)
            if chance.random() < 0.3:
                found = [image for chunk in stubs[number].GenerateStream(request) for image in chunk.images]
            else:
                found = images(stubs[number].Generate(request))
            assert found == wholes[seed][offset : offset + n]

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))


@needs_proc
@pytest.mark.parametrize(("asked", "processes", "told"), [("1", 1, ""), ("3", 3, " with 3 workers")])
def test_as_many_workers_serve_as_are_asked_for(
    asked: str, processes: int, told: str, start_server: Callable[..., Any]
) -> None:
    server = start_server("--workers", asked)
    assert len(workers(server.process.pid)) == processes
    assert server.greeting[-1].endswith(f"serves on {server.address}{told} (Ctrl-C to stop)")


@needs_proc
def test_killed_worker_is_replaced_and_the_port_answers_on(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "2")
    assert "with 2 workers" in server.greeting[-1]
    before = workers(server.process.pid)
    assert len(before) == 2
    expected = images(connect(server.address).Generate(pb.GenerateRequest(seed=1, n=5)))
    for victim in before:
        os.kill(victim, signal.SIGKILL)
    for _ in range(20):
        request = pb.GenerateRequest(seed=1, n=5)
        assert images(connect(server.address).Generate(request, wait_for_ready=True, timeout=60)) == expected
    after = workers(server.process.pid)
    assert len(after) == 2
    assert not set(before) & set(after)
    assert server.stop() == 0
    assert server.stderr.read_text().count("was ended by SIGKILL; another is started") == 2


@needs_proc
def test_worker_that_stands_still_is_replaced_and_the_port_answers_on(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "1", "--hang-s", "2")
    (victim,) = workers(server.process.pid)
    stream = connect(server.address).GenerateStream(pb.GenerateRequest(seed=1, n=5_000_000))
    next(stream)
    stop(victim)
    request = pb.GenerateRequest(seed=1, n=5)
    assert len(images(connect(server.address).Generate(request, wait_for_ready=True, timeout=60))) == 5
    with pytest.raises(grpc.RpcError) as lost:  # it was the dead worker's
        list(stream)
    assert lost.value.code() == grpc.StatusCode.UNAVAILABLE
    assert victim not in workers(server.process.pid)
    assert server.stop() == 0
    silent, ended = server.stderr.read_text().splitlines()
    assert silent == "digitforge-serve: worker 0 was silent for 2 s (above is where): it is killed"
    assert "was ended by SIGKILL; another is started" in ended


@needs_proc
def test_sighup_replaces_all_workers_and_cuts_no_stream(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "2", "--grace-s", "60")
    before = workers(server.process.pid)
    streams = [connect(server.address).GenerateStream(pb.GenerateRequest(seed=1, n=20_000)) for _ in range(4)]
    received = [len(next(stream).images) for stream in streams]
    os.kill(server.process.pid, signal.SIGHUP)
    assert "one after the other" in server.process.stdout.readline()
    with ThreadPoolExecutor(4) as readers:  # one that nobody reads would be hung up on
        further = list(readers.map(lambda stream: sum(len(chunk.images) for chunk in stream), streams))
    assert [first + rest for first, rest in zip(received, further, strict=True)] == [20_000] * 4
    assert "have been replaced" in server.process.stdout.readline()
    after = workers(server.process.pid)
    assert len(after) == 2
    assert not set(before) & set(after)
    assert len(images(connect(server.address).Generate(pb.GenerateRequest(seed=1, n=5)))) == 5
    assert server.stop() == 0
    assert server.stderr.read_text() == ""


def test_stream_of_a_worker_ends_whole_when_the_server_is_asked_to_stop(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "2", "--grace-s", "60")
    streams = [connect(server.address).GenerateStream(pb.GenerateRequest(seed=1, n=20_000)) for _ in range(4)]
    received = [len(next(stream).images) for stream in streams]
    server.process.send_signal(signal.SIGTERM)
    with ThreadPoolExecutor(4) as readers:  # one that nobody reads would be hung up on
        further = list(readers.map(lambda stream: sum(len(chunk.images) for chunk in stream), streams))
    assert [first + rest for first, rest in zip(received, further, strict=True)] == [20_000] * 4
    assert server.process.wait(60) == 0
    assert server.stderr.read_text() == ""


@needs_proc
def test_stream_ends_whole_when_every_process_is_asked_to_stop_and_not_the_parent_alone(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "1", "--grace-s", "60")
    stream = connect(server.address).GenerateStream(pb.GenerateRequest(seed=1, n=100_000))
    received = len(next(stream).images)
    for child in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGTERM)
    server.process.send_signal(signal.SIGTERM)
    received += sum(len(chunk.images) for chunk in stream)
    assert received == 100_000
    assert server.process.wait(60) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_second_server_on_the_port_is_refused_whoever_shares_it(
    workers: str,
    start_server: Callable[..., Any],
    run_module: Callable[..., CompletedProcess[str]],
    model_repository: Path,
) -> None:
    port = start_server("--workers", workers).address.rpartition(":")[2]
    for others in ("1", "2"):
        result = run_module("serving", "--model-repository", model_repository, "--port", port, "--workers", others)
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert re.search(rf"port {port}: Address already in use", line)


def test_models_that_cannot_be_loaded_are_told_once(
    run_module: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    result = run_module("serving", "--model-repository", tmp_path, "--port", "0", "--workers", "2")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert str(tmp_path) in line


def test_variant_that_was_not_exported_is_told(
    run_module: Callable[..., CompletedProcess[str]], model_repository: Path
) -> None:
    flags = ("--model-repository", model_repository, "--port", "0", "--variant", "int8", "--workers", "1")
    result = run_module("serving", *flags)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "variant int8" in line
    assert "model.int8.onnx" in line


def test_variant_verified_on_another_kind_of_processor_is_told_once(
    start_server: Callable[..., Any], model_repository: Path, tmp_path: Path
) -> None:
    for name in ("generator", "discriminator"):
        model = onnx.load(model_repository / name / "1/model.onnx")
        onnx.helper.set_model_props(
            model, {entry.key: entry.value for entry in model.metadata_props} | {"digitforge.verified_on": "a loom"}
        )
        (tmp_path / name / "1").mkdir(parents=True)
        for file in ("model.onnx", "model.int8.onnx"):
            onnx.save(model, tmp_path / name / "1" / file)
    server = start_server("--variant", "int8", "--workers", "2", repository=tmp_path)
    said = [
        line for line in [*server.greeting, *server.stderr.read_text().splitlines()] if "verified on a loom" in line
    ]
    assert len(said) == 1


def most_kb(pid: int) -> int:
    """The largest memory that a process has ever had."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0])


@needs_proc
def test_long_stream_needs_no_more_memory_than_a_short_one(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "1")
    stub = connect(server.address)
    for chunk in stub.GenerateStream(pb.GenerateRequest(seed=1, n=5_000)):
        assert chunk.images
    before = most_kb(server.process.pid)
    for chunk in stub.GenerateStream(pb.GenerateRequest(seed=1, n=50_000)):  # 39 MB of images
        assert chunk.images
    assert most_kb(server.process.pid) - before < 10_000


@needs_proc
def test_reader_that_stops_reading_stops_its_stream(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "1")
    slow, other = connect(server.address), connect(server.address)
    stream = slow.GenerateStream(pb.GenerateRequest(seed=1, n=5_000_000))
    next(stream)
    for turn in range(150):  # others are served meanwhile, and the stream is still there
        assert len(other.Generate(pb.GenerateRequest(n=64)).images) == 64
        if turn == 50:
            before = most_kb(server.process.pid)
    assert most_kb(server.process.pid) - before < 10_000  # the images of the others take 5 MB
    offsets = [next(stream).offset for _ in range(20)]
    assert offsets == [512 * number for number in range(1, 21)]
    stream.cancel()
    with pytest.raises(grpc.RpcError):
        list(stream)
