"""Runs on machines as they are: with full disks, and folders that cannot be written to."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

from training.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "DATA_DIR": ""}
TINY = (
    "--dataset sklearn-digits --generator-hidden 16,32 --generator-channels 4 --discriminator-hidden 32,16 "
    "--discriminator-channels 2 --images 1300 --milestone-images 512 --detector-images 0 --measure-milestones 0 "
    "--measure-fully no"
)


def run_trainer(options: str, before: str = "true", **variables: str) -> subprocess.CompletedProcess[str]:
    """The trainer in a shell that has run a command before."""
    command = f"{before} && {shlex.quote(sys.executable)} -m training {options}"
    environment = ENVIRONMENT | variables
    return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=240)


def test_a_checkpoint_that_finds_no_room_leaves_the_old_one_and_a_run_that_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    failed = run_trainer(f"{TINY} --out {out}", f"cd {tmp_path} && ulimit -f 250")
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    [line] = failed.stderr.splitlines()
    assert re.fullmatch(
        rf"digitforge-train: {out}/checkpoint\.pt cannot be written: .* \d+ kB are needed\. .* --resume --out {out}\)",
        line,
    )
    assert not list(out.rglob("*.partial"))
    assert load_checkpoint(out).images_seen == 0  # the one before

    resumed = run_trainer(f"--resume --out {out}", f"cd {tmp_path}")
    assert resumed.returncode == 0, resumed.stderr
    assert load_checkpoint(out).finished


def test_a_run_lies_elsewhere_where_neither_the_checkout_nor_the_home_can_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "artifacts").touch()  # in the way of a folder: also for root, who may write anywhere
    out = tmp_path / "elsewhere" / "run"
    refused = run_trainer(TINY, f"cd {tmp_path}", HOME="/dev/null")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"digitforge-train: artifacts/runs cannot be written: {tmp_path}/artifacts is no folder; "
        "name another place with --out"
    )
    done = run_trainer(f"{TINY} --out {out}", f"cd {tmp_path}", HOME="/dev/null")
    assert done.returncode == 0, done.stderr
    assert f"artifacts/runs/latest cannot be written: {tmp_path}/artifacts is no folder" in done.stdout
    assert load_checkpoint(out).finished


def test_a_run_whose_folder_vanishes_says_so(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = f"{TINY} --images 100000 --log-steps 1 --print-losses yes --out {out}"
    command = [sys.executable, "-m", "training", *shlex.split(options)]
    with subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=PIPE, stderr=PIPE, text=True) as trainer:
        assert trainer.stdout
        assert any(line.startswith("epoch ") for line in trainer.stdout)  # after a step: it makes no folder any more
        trainer.send_signal(signal.SIGSTOP)  # or what it writes would be in the way of what removes
        os.waitpid(trainer.pid, os.WUNTRACED)
        shutil.rmtree(out)
        trainer.send_signal(signal.SIGCONT)
        _, errors = trainer.communicate(timeout=240)
    assert trainer.returncode == 1
    assert "Traceback" not in errors
    assert f"cannot be written: there is no folder {out}" in errors.splitlines()[-1]
