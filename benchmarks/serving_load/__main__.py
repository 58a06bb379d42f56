"""How fast the server is, beside the machine's limits and the usual alternatives, all in one run.

Every server is started with as many processes as there are cores, the load comes from the same machine, and each
scenario takes its turn with every server before the next scenario. No answer comes from a cache: every request's seed
is drawn anew.

    python -m benchmarks.serving_load --model-repository models
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.report import cores_allowed, text_table, write_json
from benchmarks.serving_load.answers import check_ours, python_client_ms, scores
from benchmarks.serving_load.contender import GRPC, Contender, ContenderError, Place, alternatives, ours
from benchmarks.serving_load.h2load import LoadError, Target, load
from benchmarks.serving_load.plot import draw
from benchmarks.serving_load.processes import cpu_s, resident_mb
from benchmarks.serving_load.raw_onnx import limit
from serving.http2.messages import prefixed
from serving.model_repository import GENERATOR, complete_versions, model_path

PORT = 50_151
NAME = "serving_load"
CLOSED = ((1, 1), (1, 16), (1, 64), (1, 256), (16, 32), (64, 32), (1024, 4))  # images in a request, connections
OPEN = (1000.0, 2500.0, 5000.0)  # requests/s of one image, at 64 connections
HOW = (
    "h2load with one request in flight on each connection (closed loop) or at a fixed rate (open loop), on the same "
    "cores as the server; percentiles from its log of every request; CPU seconds of the server's processes from /proc. "
    "echo: grpc.aio and uvloop, answering as many bytes without a model. bare: grpc.aio, uvloop and ONNX Runtime "
    "without batching. Each server with as many processes as there are cores."
)


def main() -> int:
    """Measure, print, write."""
    options = build_parser().parse_args()
    repository = options.model_repository.resolve()
    model = model_path(repository, GENERATOR, complete_versions(repository)[-1])
    cores = cores_allowed()
    raw = {batch: limit(model, batch, options.seconds, cores) for batch in (1, 16, 64, 1024)}
    for batch, figures in raw.items():
        rate, cost = figures["images_per_s"], figures["cpu_us_per_image"]
        print(f"raw ONNX Runtime, batches of {batch}: {rate:,.0f} images/s, {cost:.1f} us of a core for an image")
    results: list[dict[str, Any]] = []
    chosen = [
        contender for contender in (ours(), *alternatives()) if not options.only or _short(contender) in options.only
    ]
    for n, connections in CLOSED:
        place = Place(repository, model, latent_size_of(model), PORT, cores, n)
        for contender in chosen:
            results += measure(contender, place, "Generate", connections, options.seconds)
    place = Place(repository, model, latent_size_of(model), PORT, cores, 1)
    for rate in OPEN:
        for contender in chosen:
            results += measure(contender, place, "Generate", 64, options.seconds, rate)
    for call in ("Score raw", "Score PNG"):
        results += measure(ours(), place, call, 64, options.seconds)
    print(show(results))
    path = write_json(f"{NAME}_{options.name}", {"raw": raw, "results": results}, HOW)
    draw(results, path.with_suffix(".svg"))
    print(f"written to {path} and {path.with_suffix('.svg')}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving_load", description=__doc__.splitlines()[0])
    parser.add_argument("--model-repository", type=Path, default=Path("models"))
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default: 5)")
    parser.add_argument("--only", nargs="*", help="servers by their names' first words")
    parser.add_argument("--name", default="models", help="of the figures' file (default: models)")
    return parser


def measure(
    contender: Contender, place: Place, call: str, connections: int, seconds: float, rate: float | None = None
) -> list[dict[str, Any]]:
    """One server under one load; nothing where it cannot be had."""
    try:
        with contender.serving(place) as pid:
            target = contender.target(place) if call == "Generate" else score_target(place, call.endswith("PNG"))
            extra = {}
            if _short(contender) == "digitforge":
                check_ours(place)
                extra["python_client_ms"] = python_client_ms(place)
            idle_mb = resident_mb(pid)
            before = cpu_s(pid)
            figures = load(target, connections, seconds, rate)
            spent = cpu_s(pid) - before
    except (ContenderError, LoadError) as error:
        print(f"{contender.name}, {call}, n = {place.n}, {connections} connections: {error}", file=sys.stderr)
        return []
    result = {
        "server": contender.name,
        "call": call,
        "n": place.n,
        "connections": connections,
        "rate": rate,
        **figures,
        "images_per_s": figures["req_per_s"] * place.n,
        "cpu_s_per_1000": spent / (figures["req_per_s"] * (seconds + 1)) * 1000,
        "idle_mb": idle_mb,
        **extra,
    }
    print(
        f"{contender.name:24} {call} n={place.n} c={connections} {f'rate={rate:g} ' if rate else ''}"
        f"{result['req_per_s']:,.0f} req/s p99 {result['p99_ms']:.1f} ms",
        flush=True,
    )
    return [result]


def score_target(place: Place, as_png: bool) -> Target:
    """Score of one image."""
    url = f"http://127.0.0.1:{place.port}/digits.v1.Digits/Score"
    return Target(url, prefixed(scores(place, as_png)), GRPC, 5)


def latent_size_of(model: Path) -> int:
    """The length of a model's latents."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return int(session.get_inputs()[0].shape[1])


def show(results: list[dict[str, Any]]) -> str:
    """A table of all."""
    header = (
        "",
        "call",
        "n",
        "conn.",
        "rate",
        "req/s",
        "images/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "CPU s/1,000",
        "MB",
    )
    rows = [
        (
            result["server"],
            result["call"],
            str(result["n"]),
            str(result["connections"]),
            f"{result['rate']:g}" if result["rate"] else "",
            f"{result['req_per_s']:,.0f}",
            f"{result['images_per_s']:,.0f}",
            *(f"{result[name]:.2f}" for name in ("p50_ms", "p99_ms", "p999_ms")),
            f"{result['cpu_s_per_1000']:.3f}",
            f"{result['idle_mb'][0]:.0f}",
        )
        for result in results
    ]
    return text_table(header, rows)


def _short(contender: Contender) -> str:
    return contender.name.partition(" ")[0]


if __name__ == "__main__":
    sys.exit(main())
