"""The client and its commands where the server fails, holds its answers, or is left before it has given them all."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from digitforge import Client, DeadlineExceededError, DigitforgeError, Score, Verdict
from protos.digits.v1 import digits_pb2 as pb
from tests.end_to_end.failing_server import PATIENCE_S, FailingDigits

ROOT = Path(__file__).parents[2]
SMALL, LARGE = bytes(784), bytes(1 << 20)  # images; gRPC by itself repeats no request beyond 256 kB
MOST_BYTES = 16 << 20
FOR_NOW = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
FOR_GOOD = [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL]
CALLS: dict[str, Callable[[Client], Any]] = {
    "generate": lambda client: client.generate(3),
    "score": lambda client: client.score(SMALL),
    "score of a large image": lambda client: client.score(LARGE),
    "score_stream": lambda client: list(client.score_stream([SMALL])),
    "score_stream of a large image": lambda client: list(client.score_stream([LARGE])),
    "models": lambda client: client.models(),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture
def client(failing_address: str, client_to: Callable[..., Client]) -> Client:
    return client_to(failing_address)


def status_of(call: Callable[[], Any]) -> grpc.StatusCode:
    with pytest.raises(DigitforgeError) as raised:
        call()
    assert isinstance(raised.value.__cause__, grpc.RpcError)
    return raised.value.code


@every_call
@pytest.mark.parametrize("code", FOR_NOW)
def test_call_that_fails_for_now_is_tried_again(
    client: Client, failing: FailingDigits, call: Callable[[Client], Any], code: grpc.StatusCode
) -> None:
    failing.failures = [code, code]
    call(client)
    assert failing.attempts == 3


@every_call
def test_server_that_stays_away_is_told_after_some_tries_and_is_no_verdict(
    client: Client, failing: FailingDigits, call: Callable[[Client], Any]
) -> None:
    failing.failures = [grpc.StatusCode.UNAVAILABLE] * 100
    assert status_of(lambda: call(client)) == grpc.StatusCode.UNAVAILABLE
    assert failing.attempts == 4


@pytest.mark.parametrize("code", FOR_GOOD)
@pytest.mark.parametrize("call", [call for name, call in CALLS.items() if "score_stream" not in name])
def test_call_that_fails_for_good_is_not_tried_again(
    client: Client, failing: FailingDigits, call: Callable[[Client], Any], code: grpc.StatusCode
) -> None:
    failing.failures = [code] * 100
    assert status_of(lambda: call(client)) == code
    assert failing.attempts == 1


@pytest.mark.parametrize("code", [*FOR_GOOD[:2], grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_image_that_is_refused_has_the_reason_for_its_verdict(
    client: Client, failing: FailingDigits, code: grpc.StatusCode
) -> None:
    failing.failures = [code] * 4  # as often as it is tried
    (score,) = client.score_stream([SMALL])
    assert score.error == f"it fails with {code.name}"


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED]
)
def test_failure_over_an_image_is_no_verdict(client: Client, failing: FailingDigits, code: grpc.StatusCode) -> None:
    failing.failures = [code]
    assert status_of(lambda: list(client.score_stream([SMALL]))) == code


def test_every_call_has_the_time_that_the_client_is_given(
    failing_address: str, failing: FailingDigits, client_to: Callable[..., Client]
) -> None:
    client = client_to(failing_address, timeout_s=1000)
    for call in CALLS.values():
        call(client)
    assert len(failing.seconds_left) == len(CALLS)
    assert all(900 < left < 1100 for left in failing.seconds_left)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.score(SMALL),
        lambda client: list(client.score_stream([SMALL])),
    ],
)
def test_call_that_takes_too_long_is_given_up(
    failing_address: str, failing: FailingDigits, client_to: Callable[..., Client], call: Callable[[Client], Any]
) -> None:
    failing.holds = True
    with pytest.raises(DeadlineExceededError):
        call(client_to(failing_address, timeout_s=0.2))


@pytest.mark.parametrize(
    ("sizes", "answers", "taken"),
    [
        ([784] * 200, 1, 64),
        ([784] * 200, 10, 73),
        ([MOST_BYTES // 3] * 10, 1, 4),  # the fourth waits for the first one's answer
        ([MOST_BYTES // 3] * 10, 5, 8),
        ([MOST_BYTES + 1] * 3, 1, 2),  # each goes alone
        ([784, MOST_BYTES + 1, 784], 1, 2),
    ],
)
def test_as_many_images_are_taken_ahead_as_may_be_on_their_way_and_no_more(
    client: Client, sizes: list[int], answers: int, taken: int
) -> None:
    images = (bytes(size) for size in sizes)
    scores = client.score_stream(images)
    for _ in range(answers):
        next(scores)
    assert len(list(images)) == len(sizes) - taken


def test_images_beyond_what_may_be_on_its_way_at_a_time_are_all_answered(client: Client) -> None:
    sizes = [MOST_BYTES + 1, 784, MOST_BYTES // 2, MOST_BYTES // 2, 784, 2000, MOST_BYTES + 1, *([784] * 100)]
    scores = list(client.score_stream(bytes(size) for size in sizes))
    assert scores == [Score(Verdict.GENERATED, False, 0.5, 1)] * len(sizes)


def wait_for(semaphore: threading.Semaphore, count: int) -> None:
    for _ in range(count):
        assert semaphore.acquire(timeout=PATIENCE_S)


def test_generate_stream_that_is_left_early_ends_at_the_server(client: Client, failing: FailingDigits) -> None:
    failing.holds = True
    failing.chunk = 500
    chunks = client.generate_stream(1000)
    next(chunks)
    next(chunks)
    assert failing.held.acquire(timeout=PATIENCE_S)
    chunks.close()  # type: ignore[attr-defined]
    assert failing.ended.acquire(timeout=PATIENCE_S)


@pytest.mark.parametrize("how", ["closed", "its images end in an error"])
def test_score_stream_that_is_left_early_ends_at_the_server_with_all_its_calls(
    client: Client, failing: FailingDigits, how: str
) -> None:
    failing.holds, failing.spared = True, b"first"

    def images() -> Iterator[bytes]:
        yield from (
            b"first",
            LARGE,
            *([SMALL] * 62),
        )  # as many as may be on their way: then the first one's answer is due
        wait_for(failing.held, 63)
        raise OSError("no more images")

    scores: Any = client.score_stream(images())
    next(scores)
    if how == "closed":
        wait_for(failing.held, 63)
        scores.close()
    else:
        with pytest.raises(OSError, match="no more images"):
            next(scores)
    wait_for(failing.ended, 63)


@pytest.mark.parametrize("count", [1, 3])
def test_score_stream_leaves_no_thread_behind(failing_address: str, count: int) -> None:
    before = set(threading.enumerate())
    with Client(failing_address) as client:
        scores: Any = client.score_stream([SMALL] * 3)
        for _ in range(count):
            next(scores)
        scores.close()
        new = set(threading.enumerate()) - before
    for thread in new:
        if not thread.name.startswith("ThreadPoolExecutor"):  # the server's own
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_messages_beyond_grpcs_usual_limit_are_taken(client: Client, failing: FailingDigits) -> None:
    failing.chunk = 6000  # 4.7 MB
    assert client.generate(13_000).images.shape == (13_000, 28, 28)


@pytest.fixture(params=["generate", "score", "score of a large image"])
def command(request: pytest.FixtureRequest, failing_address: str, tmp_path: Path) -> list[str]:
    """A command for the failing server, as the arguments of `python`."""
    name, _, large = request.param.partition(" ")
    (tmp_path / "image").write_bytes(LARGE if large else SMALL)
    what = ["-n", "3", "-o", str(tmp_path / "digits.npz")] if name == "generate" else [str(tmp_path / "image")]
    return ["-m", "digitforge", name, "--address", failing_address, *what]


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [
        (grpc.StatusCode.UNAVAILABLE, 3, "it is going away (it fails with UNAVAILABLE); start one with"),
        (grpc.StatusCode.INTERNAL, 1, "INTERNAL: it fails with INTERNAL"),
    ],
)
def test_command_tells_in_a_line_how_the_server_failed(
    command: list[str], failing: FailingDigits, tmp_path: Path, code: grpc.StatusCode, exit_code: int, words: str
) -> None:
    failing.failures = [code] * 100
    result = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (result.returncode, result.stdout) == (exit_code, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("digitforge: ")
    assert words in line
    assert not (tmp_path / "digits.npz").exists()


def test_ctrl_c_ends_a_command_and_its_call(command: list[str], failing: FailingDigits, tmp_path: Path) -> None:
    failing.holds = True
    piped: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, **piped) as process:
        assert failing.held.acquire(timeout=PATIENCE_S)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
        assert process.communicate()[1] == "interrupted\n"
    assert failing.ended.acquire(timeout=PATIENCE_S)
    assert not (tmp_path / "digits.npz").exists()


@pytest.mark.parametrize(
    ("real", "said", "verdict"),
    [
        (True, pb.VERDICT_UNSPECIFIED, Verdict.REAL_DIGIT),
        (False, pb.VERDICT_UNSPECIFIED, Verdict.GENERATED),
        (False, pb.VERDICT_NOT_ONE_DIGIT, Verdict.NOT_ONE_DIGIT),
        (False, 77, Verdict.UNSPECIFIED),
    ],
)
def test_older_and_newer_servers_verdicts_are_told_as_far_as_they_are_known(
    client: Client, failing: FailingDigits, real: bool, said: Any, verdict: Verdict
) -> None:
    failing.real, failing.verdict = real, said
    assert client.score(SMALL) == Score(verdict, real, 0.5, 1)
