"""The bench of a run beside busy neighbours."""

import time
from pathlib import Path

import pytest

from benchmarks.beside_work import (
    Timing,
    _process_cpu_s,
    build_parser,
    busy_neighbours,
    expected,
    run,
    run_options,
    table,
    told,
)
from benchmarks.training_process import RunFailedError
from training.options import build_parser as trainers_parser

TIMINGS = [
    Timing("processes", 0, 100.0, 190.0, 0.01),
    Timing("processes", 1, 150.0, 200.0, 0.01),
    Timing("processes", 0, 110.0, 191.0, 0.2),
    Timing("processes", 0, 90.0, 189.0, 0.01),
    Timing("threads", 0, 80.0, 160.0, 0.01),
]


def test_the_table_has_medians_and_how_much_longer_it_takes_than_alone() -> None:
    lines = table(TIMINGS).splitlines()
    assert lines[2:] == ["| processes | 100 s | 150 s (1.50) |  | 190, 200 |", "| threads | 80 s |  |  | 160 |"]
    text = told(TIMINGS, build_parser().parse_args([]))
    assert "NOT quiet in 1 of them" in text


def test_no_run_begins_that_would_take_longer_than_is_left() -> None:
    assert expected([], "processes", 0) == 0
    assert expected(TIMINGS, "processes", 0) == 110
    assert expected(TIMINGS, "threads", 2) == 1.5 * 80


def test_the_trainer_knows_the_options_that_it_gets(tmp_path: Path) -> None:
    options = build_parser().parse_args(["--images", "50000", "--data-dir", str(tmp_path)])
    for contender in ("processes", "threads"):
        given = trainers_parser().parse_args(run_options(contender, options))
        assert (given.images, given.detector_images, given.detector_pool) == ("50000", "20000", "150")
        assert getattr(given, "processes", None) == ("1" if contender == "threads" else None)


def test_neighbours_are_busy_and_end_with_the_run_and_a_failed_run_is_told(tmp_path: Path) -> None:
    with busy_neighbours(1) as (neighbour,):
        deadline = time.monotonic() + 60
        while _process_cpu_s(neighbour) < 0.2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert not Path(f"/proc/{neighbour}").exists()
    options = build_parser().parse_args(["--data-dir", "/dev/null/nowhere"])
    with pytest.raises(RunFailedError, match="exit code"):
        run("processes", 1, tmp_path / "runs", options)
