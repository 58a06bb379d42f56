"""Load by h2load (Debian's nghttp2-client), and percentiles from its log of every request."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

WARM_UP_S = 1.0
PERCENTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}


class LoadError(Exception):
    """h2load is not there, or what it got is not what was asked for."""


@dataclass(frozen=True)
class Target:
    """What is asked, and what comes back.

    Attributes:
        url: Where.
        body: The request's bytes.
        headers: Beside h2load's own.
        answer_bytes: Fewer than this for an answer is a refusal: h2load sees HTTP statuses, which gRPC leaves at 200.
        is_http1: Whether to speak HTTP/1.1.
    """

    url: str
    body: bytes
    headers: tuple[str, ...]
    answer_bytes: int
    is_http1: bool = False


def load(target: Target, connections: int, seconds: float, rate: float | None = None) -> dict[str, float]:
    """Closed loop with one request in flight on each connection, or open loop at `rate` requests/s in all.

    Returns:
        req_per_s and the percentiles, and how many `requests` there were with those of the warm-up.

    Raises:
        LoadError: A request failed, or was answered with less than an answer has.
    """
    if shutil.which("h2load") is None:
        raise LoadError("h2load is not installed; Debian and Ubuntu have it in the package nghttp2-client")
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(target.body)
        command = ["h2load", "-c", str(connections), "-m", "1", "-t", "1", "-d", str(body), f"--log-file={log}"]
        command += ["-D", f"{round((seconds + WARM_UP_S) * 1000)}ms"]
        command += [f"--rps={rate / connections:g}"] if rate else []
        command += ["--h1"] if target.is_http1 else []
        command += [part for header in target.headers for part in ("-H", header)]
        result = subprocess.run([*command, target.url], capture_output=True, text=True, check=False)
        if result.returncode:
            raise LoadError(f"h2load: {result.stderr or result.stdout}")
        requests = [tuple(map(int, line.split("\t"))) for line in log.read_text().splitlines()]
    if not requests:
        raise LoadError(f"no request was answered:\n{result.stdout}")
    if failed := [status for _, status, _ in requests if status != 200]:
        raise LoadError(f"{len(failed)} of {len(requests)} requests failed:\n{result.stdout}")
    data = re.search(r"\((\d+)\) data", result.stdout)
    if data is None or int(data[1]) < target.answer_bytes * len(requests) * 0.999 - target.answer_bytes * connections:
        raise LoadError(f"{len(requests)} answers of {target.answer_bytes} bytes are not in:\n{result.stdout}")
    begin = min(start for start, _, _ in requests) + WARM_UP_S * 1e6
    counted = [(start, duration) for start, _, duration in requests if start >= begin]
    if not counted:
        raise LoadError(
            f"{len(requests)} requests were answered, all of them begun within the warm-up of {WARM_UP_S:g} s"
        )
    span_s = (max(start + duration for start, duration in counted) - begin) / 1e6
    durations = sorted(duration for _, duration in counted)
    figures = {name: durations[int(share * (len(durations) - 1))] / 1000 for name, share in PERCENTILES.items()}
    return {"req_per_s": len(counted) / span_s, "requests": len(requests), **figures}
