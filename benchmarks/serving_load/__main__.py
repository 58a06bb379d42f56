"""How fast the server is, beside the machine's limits and the usual alternatives, all in one run.

Every server runs with as many processes as there are cores, the load comes from the same machine, and the servers take
turns at each load, several rounds: what else the machine does meanwhile meets them all alike. No answer comes from a
cache: every request's seed is drawn anew.

    python -m benchmarks.serving_load --model-repository models
"""

import argparse
import sys
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.report import write_json
from benchmarks.serving_load.answers import check_ours, inferred, python_client_ms, scores
from benchmarks.serving_load.contender import (
    Contender,
    ContenderError,
    Place,
    alternatives,
    infer_target,
    ours,
    score_target,
)
from benchmarks.serving_load.h2load import LoadError, load
from benchmarks.serving_load.plot import draw
from benchmarks.serving_load.processes import cpu_s, resident_mb
from benchmarks.serving_load.raw_onnx import limit
from benchmarks.training_process import exit_code
from digitforge.machine.cores import cores_allowed
from judge.tables import text_table
from serving.repository.model_repository import GENERATOR, complete_versions, model_path

PORT = 50_151
PORTS_EACH = 3  # MLServer wants three
NAME = "serving_load"


@dataclass(frozen=True)
class Scenario:
    """What is asked of every server: a call for `n` images on so many connections, at a rate or as fast as it goes."""

    call: str
    n: int
    connections: int
    rate: float | None = None


SCENARIOS = (
    *(Scenario("Generate", 1, connections) for connections in (1, 16, 64, 256)),
    Scenario("Generate", 16, 32),
    Scenario("Generate", 64, 32),
    Scenario("Generate", 1024, 4),
    *(Scenario("Generate", 1, 64, rate) for rate in (1000.0, 2500.0)),
    *(Scenario("ModelInfer", 1, connections) for connections in (1, 16, 64)),
    Scenario("ModelInfer", 64, 32),
    Scenario("Score raw", 1, 64),
    Scenario("Score PNG", 1, 64),
)
HOW = (
    "h2load with one request in flight on each connection (closed loop) or at a fixed rate (open loop), on the same "
    "cores as the server; percentiles from its log of every request; CPU seconds of the server's processes from /proc. "
    "echo: grpc.aio and uvloop, answering as many bytes without a model. bare: grpc.aio, uvloop and ONNX Runtime "
    "without batching. ModelInfer: the Open Inference Protocol, the same bytes to every server that "
    "speaks it. Each server with as many processes as there are cores. "
    "Of the rounds the fastest is given, and of the processor time the least."
)


def main() -> int:
    """Measure, print, write."""
    options = build_parser().parse_args()
    repository = options.model_repository.resolve()
    model = model_path(repository, GENERATOR, complete_versions(repository)[-1])
    cores, (latent_size, has_classes) = cores_allowed(), inputs_of(model)
    chosen = [
        contender for contender in (ours(), *alternatives()) if not options.only or _short(contender) in options.only
    ]
    rounds: dict[Scenario, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    raw: dict[int, list[dict[str, float]]] = defaultdict(list)
    with ExitStack() as stack:
        running: list[tuple[Contender, Place, int]] = []
        for number, contender in enumerate(chosen):
            place = Place(repository, model, latent_size, PORT + PORTS_EACH * number, cores, has_classes=has_classes)
            try:
                running.append((contender, place, stack.enter_context(contender.serving(place))))
            except ContenderError as error:
                print(error, file=sys.stderr)
        _compare([(contender, place) for contender, place, _ in running if contender.infers])
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            for batch in (1, 16, 64, 1024):
                raw[batch].append(limit(model, batch, options.seconds / 2, cores))
            for scenario in SCENARIOS:
                for contender, place, pid in running:
                    try:
                        figures = measure(contender, replace(place, n=scenario.n), pid, scenario, options.seconds)
                    except LoadError as error:
                        print(f"{contender.name}, {scenario}: {error}", file=sys.stderr)
                    else:
                        if figures:
                            rounds[scenario][contender.name].append(figures)
    results = [
        {"server": name, **asdict(scenario), **least_disturbed(figures), "rounds": figures}
        for scenario, servers in rounds.items()
        for name, figures in servers.items()
    ]
    if not results:
        print("nothing could be measured", file=sys.stderr)
        return 1
    limits = {
        batch: {
            "images_per_s": max(one["images_per_s"] for one in figures),
            "cpu_us_per_image": min(one["cpu_us_per_image"] for one in figures),
        }
        for batch, figures in raw.items()
    }
    print(show(results, limits))
    path = write_json(f"{NAME}_{options.name}", {"raw": limits, "results": results}, HOW)
    draw(results, path.with_suffix(".svg"))
    print(f"written to {path} and {path.with_suffix('.svg')}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving_load", description=__doc__.splitlines()[0])
    parser.add_argument("--model-repository", type=Path, default=Path("models"))
    parser.add_argument("--rounds", type=int, default=3, help="how often each takes its turn (default: 3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default: 4)")
    parser.add_argument("--only", nargs="*", help="servers by their names' first words")
    parser.add_argument("--name", default="models", help="of the figures' file (default: models)")
    return parser


def measure(contender: Contender, place: Place, pid: int, scenario: Scenario, seconds: float) -> dict[str, Any] | None:
    """One server under one load; None where it does not know such a call.

    Raises:
        LoadError: It refused a request, or its answers are not whole.
    """
    is_ours = _short(contender) == "digitforge"
    if scenario.call == "ModelInfer":
        if not contender.infers:
            return None
        target = infer_target(place)
    elif scenario.call == "Generate":
        target = contender.target(place)
    elif is_ours:
        target = score_target(place, scores(place, scenario.call.endswith("PNG")))
    else:
        return None
    extra = {}
    if is_ours and scenario.call != "ModelInfer":
        check_ours(place)
        extra["python_client_ms"] = python_client_ms(place)
    before = cpu_s(pid)
    figures = load(target, scenario.connections, seconds, scenario.rate)
    spent = cpu_s(pid) - before
    return {
        **figures,
        "images_per_s": figures["req_per_s"] * place.n,
        "cpu_s_per_1000": spent / figures.pop("requests") * 1000,
        "resident_mb": resident_mb(pid),
        **extra,
    }


def _compare(servers: list[tuple[Contender, Place]]) -> None:
    """See whether all servers of the protocol make the same pixels of the same latents.

    Raises:
        AssertionError: One makes others than the first.
    """
    answers = {contender.name: inferred(replace(place, n=30)) for contender, place in servers}
    for name, answer in answers.items():
        assert answer == next(iter(answers.values())), f"{name} makes other pixels of the same latents"
    if len(answers) > 1:
        print(f"the same pixels, byte for byte: {', '.join(answers)}")


def least_disturbed(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The fastest round, but of the processor time the least: other work on the machine only ever adds."""
    best = max(rounds, key=lambda figures: figures["req_per_s"])
    return {**best, "cpu_s_per_1000": min(figures["cpu_s_per_1000"] for figures in rounds)}


def inputs_of(model: Path) -> tuple[int, bool]:
    """The length of a generator's latents, and whether it takes a digit beside them."""
    from digitforge.machine.onnx_runtime import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    return int(inputs[0].shape[1]), len(inputs) > 1


def show(results: list[dict[str, Any]], limits: dict[int, dict[str, float]]) -> str:
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
            f"{result['resident_mb'][0]:.0f}",
        )
        for result in results
    ]
    lines = [
        f"raw ONNX Runtime, batches of {batch}: {figures['images_per_s']:,.0f} images/s, "
        f"{figures['cpu_us_per_image']:.1f} us of a core for an image"
        for batch, figures in limits.items()
    ]
    return "\n".join((*lines, "", text_table(header, rows)))


def _short(contender: Contender) -> str:
    return contender.name.partition(" ")[0]


if __name__ == "__main__":
    sys.exit(exit_code(main))
