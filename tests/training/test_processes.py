"""Several processes of one thread that train together, as the command starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from benchmarks.same_run import differences
from tests.training.tiny_runs import CPU
from training import processes
from training.checkpoint import load_checkpoint
from training.config import PRESETS
from training.detector_fit import STATE
from training.processes import WorkerLostError, processes_for, spread, workers_here
from training.workers import Workers

PATIENCE_S = 400
RUN = [
    *("--dataset", "sklearn-digits", "--processes", "2", "--images", "1500", "--milestone-images", "500"),
    *("--generator-hidden", "16,32", "--generator-channels", "4"),
    *("--discriminator-hidden", "32,16", "--discriminator-channels", "2"),
    *("--detector-images", "512", "--detector-channels", "2", "--detector-pool", "16", "--log-steps", "3"),
    *("--measure-fully", "no"),
]
ENDLESS = ["--images", "100000000", "--milestone-images", "512"]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nobody disturbed."""
    path = tmp_path_factory.mktemp("processes") / "whole"
    code, said = Trainer(path, *RUN).end()
    assert code == 0, said
    return path


class Trainer:
    """The command in a process of its own, at its first milestone or its end; and those that it forked.

    What was forked from the tests' process would inherit whatever threads PyTorch had started there.
    """

    def __init__(self, out: Path, *options: str, cores: Collection[int] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "training", "--out", str(out), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            preexec_fn=None if cores is None else partial(os.sched_setaffinity, 0, cores),
        )
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if " images in " in line:
                break
        self.forked = [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self) -> tuple[int, str]:
        """Its exit code and all that it said, once it and all that it forked have ended."""
        out, errors = self.process.communicate(timeout=PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while any(Path(f"/proc/{pid}/stat").exists() for pid in self.forked):
            assert time.monotonic() < deadline, "a process stays behind"
            time.sleep(0.05)
        return self.process.returncode, self.said + out + errors


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Trainer]:
    trainer = Trainer(tmp_path / "run", *RUN, *ENDLESS)
    yield trainer
    if trainer.process.poll() is None:
        os.killpg(trainer.pid, signal.SIGKILL)


@pytest.mark.parametrize("at", ["the first milestone", "the detector's steps"])
def test_a_run_that_is_killed_and_resumed_is_the_same_run_also_where_there_are_other_cores(
    at: str, whole_run: Path, tmp_path: Path
) -> None:
    trainer = Trainer(tmp_path / "run", *RUN)
    assert len(trainer.forked) == 1
    while at != "the first milestone" and not (tmp_path / "run" / STATE).exists():
        assert trainer.process.poll() is None
        time.sleep(0.01)
    trainer.process.kill()
    assert trainer.end()[0] == -signal.SIGKILL  # and the process that it forked has ended
    assert not load_checkpoint(tmp_path / "run").finished
    code, said = Trainer(tmp_path / "run", "--resume", cores={min(os.sched_getaffinity(0))}).end()
    assert code == 0, said
    assert "2 processes" in said
    assert differences(whole_run, tmp_path / "run") == []


def test_a_lost_process_ends_the_run_with_a_word_and_it_can_be_resumed(endless: Trainer, tmp_path: Path) -> None:
    (forked,) = endless.forked
    os.kill(forked, signal.SIGKILL)
    code, said = endless.end()
    assert code == 1
    assert f"PID {forked}, was ended by SIGKILL" in said
    assert f"digitforge-train --resume --out {tmp_path / 'run'}" in said
    assert "Traceback" not in said
    assert load_checkpoint(tmp_path / "run").images_seen >= 512


def test_ctrl_c_in_a_terminal_reaches_all_and_one_saves_the_run(endless: Trainer, tmp_path: Path) -> None:
    os.killpg(endless.pid, signal.SIGINT)
    code, said = endless.end()
    assert code == 130
    assert said.count("stopping at the next step") == 1
    assert said.count("interrupted after") == 1
    assert "Traceback" not in said
    assert load_checkpoint(tmp_path / "run").config.processes == 2


def test_all_processes_add_up_to_the_same_bits_whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SLOT", 64)
    parts = torch.randn(3, 4, 1000, generator=torch.Generator().manual_seed(0))

    def sums(workers: Workers) -> torch.Tensor:
        found = []
        for part in parts[workers.rank]:
            total = [part[:900].clone(), part[900:].clone().reshape(10, 10)]
            workers.average(total, rows=2, batch_size=4)
            found.append(torch.cat([each.flatten() for each in total]))
        return torch.stack(found)

    def fellow(workers: Workers) -> None:
        own = sums(workers)
        workers.average([own], 1, 1)  # tells the first one what it has got

    with workers_here(3, fellow) as workers:
        own = sums(workers)
        together = own.clone()
        workers.average([together], 1, 1)
    torch.testing.assert_close(own, 0.5 * parts.sum(dim=0))
    assert torch.equal(together, own + own + own)


def test_averaged_gradients_lie_in_memory_as_their_weights_do() -> None:
    layer = torch.nn.Conv2d(2, 3, 4).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def average(workers: Workers) -> None:
        for number, weight in enumerate(layer.parameters()):
            own = torch.full_like(weight, workers.rank + 1) * weight.detach()
            weight.grad = own if workers.first or number else None  # the other one has a gradient of its bias alone
        workers.average_gradients(layer.parameters(), rows=1, batch_size=4)

    with workers_here(2, average) as workers:
        average(workers)
    weight, bias = layer.parameters()
    for parameter, factor in ((weight, 1 / 4), (bias, 3 / 4)):
        assert parameter.grad is not None
        assert parameter.grad.stride() == parameter.stride()
        torch.testing.assert_close(parameter.grad, factor * parameter.detach())


def test_work_that_is_spread_comes_back_in_order() -> None:
    assert list(spread(lambda number: number**2, 1000, 3)) == [number**2 for number in range(1000)]


def test_work_whose_process_dies_ends_with_an_error_instead_of_waiting() -> None:
    def fatal(number: int) -> int:
        if number == 5:
            os.kill(os.getpid(), signal.SIGTERM)  # which is not for it
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with pytest.raises(WorkerLostError, match="was ended by SIGKILL"):
        list(spread(fatal, 10, 2))


@pytest.mark.parametrize(
    ("preset", "threads", "expected"), [("default", 1, 1), ("default", 2, 2), ("default", 64, 4), ("article", 2, 1)]
)
def test_there_are_as_many_processes_as_cores_and_rows_for_them_but_one_with_batch_norm(
    preset: str, threads: int, expected: int
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    assert processes_for(PRESETS[preset], CPU) == expected
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("preset", "number", "message"),
    [
        ("article", 2, "processes > 1 and BatchNorm exclude each other"),
        ("default", 65, "processes = 65 is more than 64"),
    ],
)
def test_processes_that_cannot_share_a_step_are_refused(preset: str, number: int, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PRESETS[preset].with_options({"processes": number})


def test_numpy_has_no_threads_beside_the_command_s_processes() -> None:
    look = (
        "import contextlib, sys; from training.__main__ import main\n"
        "sys.argv = ['digitforge-train', '--help']\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None): main()\n"
        "import numpy, threadpoolctl\n"
        "print({pool['num_threads'] for pool in threadpoolctl.threadpool_info() if pool['user_api'] == 'blas'})"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    found = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "{1}"
