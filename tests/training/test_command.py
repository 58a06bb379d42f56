"""The trainer's command line, in-process but for its signals."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.command import main
from training.interrupts import stop_request
from training.options import build_parser, configure

SMALL = [
    "--dataset",
    "sklearn-digits",
    "--generator-hidden",
    "16,32",
    "--generator-channels",
    "4",
    "--discriminator-hidden",
    "32,16",
]
TINY = [
    *SMALL,
    *("--images", "1000", "--milestone-images", "500", "--detector-images", "256", "--detector-pool", "32"),
    *("--log-steps", "2"),
]
SHORTEST = [
    *SMALL,
    *("--images", "128", "--detector-images", "0", "--measure-milestones", "0", "--measure-fully", "no"),
]


def test_a_run_leaves_everything_in_a_numbered_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(SHORTEST) == 0
    assert main([*TINY, "--seed", "1"]) == 0
    runs = tmp_path / "artifacts/runs"
    assert sorted(path.name for path in runs.iterdir()) == [
        "0001-default-sklearn-digits",
        "0002-default-sklearn-digits",
        "latest",
    ]
    latest = runs / "latest"
    assert latest.resolve().name.startswith("0002")
    assert json.loads((latest / "config.json").read_text())["seed"] == 1
    names = {path.name.split(".")[0] for path in latest.iterdir()}
    weights = {"generator", "discriminator"}
    told = {"config", "metrics", "events", "sheets", "plots", "report", "MODEL_CARD"}
    assert names == {"checkpoint", "reference"} | weights | told
    assert {path.name for path in (latest / "sheets").iterdir()} >= {"real.png", "0001.png", "0002.png", "final.png"}
    assert {path.name for path in (latest / "plots").iterdir()} == {"losses.png", "balance.png", "quality.png"}
    run = load_checkpoint(latest)
    assert run.dataset == "sklearn-digits"
    assert run.quality is not None
    assert {"test_images", "frechet_ratio", "precision", "recognised_as_asked", "auroc"} <= run.quality.keys()
    said = capsys.readouterr().out
    own_name = "artifacts/runs/0002-default-sklearn-digits"
    assert f"export it with: make export RUN={own_name} (or digitforge-export {own_name})" in said
    assert "training the detector on 256 real images, and as many fakes: own generator, own snapshots, " in said
    assert re.search(r"\nFréchet distance [\d,.]+ × floor, .*, Detector's AUROC [\d.]+; .*MODEL_CARD.md\n", said)
    assert re.search(rf"\nfinished: {own_name}, the GAN trained in (\d+ min )?\d+ s; ", said)
    assert run.config.dataset == "sklearn-digits"
    assert [snapshot["images_seen"] for snapshot in run.snapshots] == [512]  # of the milestones, the one on the way
    assert main(["--resume"]) == 0
    assert f"{own_name} is finished" in capsys.readouterr().out


def test_latest_is_the_run_that_was_started_or_resumed_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    latest = tmp_path / "artifacts/runs/latest"
    assert main([*SHORTEST, "--out", "elsewhere/mine"]) == 0
    assert latest.resolve() == tmp_path / "elsewhere/mine"
    assert main(SHORTEST) == 0
    assert latest.resolve().name == "0001-default-sklearn-digits"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size", "1"], "--batch-size 1: Input should be greater than or equal to 2"),
        (["--generator-hidden", "512,65537"], "--generator-hidden 65537: Input should be less than or equal to 65536"),
        (["--class-names", ""], "--class-names : the names of the classes must differ"),
        (["--processes", "65"], "processes = 65 is more than 64"),
        (["--pixel-mean", "nan"], "--pixel-mean nan: Input should be a finite number"),
        (["--generator-batch-norm", "yes"], "generator_batch_norm and ema_half_life > 0 exclude each other"),
        (["--minutes", "soon"], "--minutes soon: Input should be a valid number"),
        (["--minutes", "1", "--epochs", "2"], "a run's length is given in exactly one of images, epochs, minutes"),
        (["--resume", "--seed", "3"], "leave out --seed"),
        (["--resume", "--preset", "article"], "leave out --preset"),
        (["--device", "cuda:99"], "--device cuda:99: "),
        (["--out", "."], "--out . is not empty"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "something").touch()
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "something"]


def test_a_run_that_another_torch_began_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = configure({"dataset": "sklearn-digits", "images": 128, "detector_images": 0, "measure_milestones": 0})
    with monkeypatch.context() as context:
        context.setattr(torch, "__version__", "1.2.3+other")
        save_checkpoint(Checkpoint(config, "my-run", "abc"), tmp_path)
    assert main(["--resume", "--out", str(tmp_path)]) == 0
    assert f"by torch 1.2.3+other, this is {torch.__version__}: it goes on" in (said := capsys.readouterr().out)
    assert "pip install torch==1.2.3\n" in said


def test_resuming_what_is_no_run_fails_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--resume", "--out", str(tmp_path)]) == 1
    assert f"{tmp_path} is no run" in capsys.readouterr().err


def test_a_folder_that_was_named_is_told_from_one_that_was_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", "there")
    assert build_parser().parse_args([]).data_dir == Path("there")
    assert build_parser().parse_args(["--data-dir", "here"]).data_dir == Path("here")
    monkeypatch.setenv("DATA_DIR", "")
    assert build_parser().parse_args([]).data_dir is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_is_a_wish_to_stop_and_a_second_one_ends_the_process(number: signal.Signals) -> None:
    handler = signal.getsignal(number)
    with stop_request() as stop:
        assert not stop
        signal.raise_signal(number)
        assert stop
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is handler


def test_an_interrupted_run_saves_itself_and_says_how_to_go_on(tmp_path: Path) -> None:
    run_folder = tmp_path / "it's a run"
    command = [sys.executable, "-m", "training", *TINY, "--images", "100000000", "--out", str(run_folder)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "DATA_DIR": ""}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if " images in " in line:  # the first milestone
            break
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    told = re.search(r"; go on with: (make train .*) \(or (digitforge-train .*)\)\n", rest)
    assert told
    again = ["--resume", "--out", str(run_folder)]
    assert shlex.split(told[2]) == ["digitforge-train", *again]
    *_, arguments = shlex.split(told[1])
    assert shlex.split(arguments.removeprefix("TRAIN_ARGS=")) == again  # which make hands to a shell
    run = load_checkpoint(run_folder)
    assert run.images_seen >= 500
    assert not run.finished


def test_help_tells_what_an_option_takes_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert "--generator-hidden INT,INT,..." in text
    assert "--minutes FLOAT" in text
    assert "typing" not in text
