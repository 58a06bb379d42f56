"""`digitforge-evaluate` on tiny runs and repositories; what it measures is tested in tests/evaluation."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from evaluation.quality import generator_quality
from evaluation.reference import NAME, FullReference
from export.export_run import export
from judge.command import main
from judge.pair import open_pair
from judge.table import FIGURES, goal_met, goals, rows
from tests.blank_data import write_blank
from training.checkpoint import Checkpoint, save_checkpoint
from training.config import PRESETS
from training.data import DataSet
from training.gan import Gan
from training.networks import build_detector

Runs = Callable[..., Checkpoint]
DATASET = {"dataset": "sklearn-digits"}
SMALL = PRESETS["default"].with_options(DATASET)


@pytest.fixture
def run(tmp_path: Path, run_of: Runs) -> Path:
    """A finished run on the small digits."""
    folder = tmp_path / "run"
    folder.mkdir()
    save_checkpoint(run_of(SMALL), folder)
    return folder


def test_a_run_is_measured_drawn_and_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run)]) == 0
    out = run / "evaluation"
    pictures = {"sheet.png", "closest.png", "distances.png", "classes.png", "precision_recall.png"}
    pictures |= {"detector_roc.png", "detector_reliability.png"}
    assert {path.name for path in out.iterdir()} == {"evaluation.json", "evaluation.md", *pictures}
    report = json.loads((out / "evaluation.json").read_text())
    assert report["how"]["generated_images"] == report["how"]["real_images"] == 300
    assert report["what"]["dataset"] == "sklearn-digits"
    figures = report["figures"]
    assert figures["frechet_ratio"] > 10
    assert {"auroc", "recall_floor", "near_copies", "class_divergence"} <= figures.keys()
    assert report["goals"]["frechet_distance"] == {"of": "ratio", "at_most": 1.2, "met": False}
    table = capsys.readouterr().out
    markdown = (out / "evaluation.md").read_text()
    for text in (table, markdown):
        assert "Fréchet distance" in text
        assert "memorises no training images" in text
    assert all(f"![]({name})" in markdown for name in pictures)


def test_the_runs_own_reference_is_taken_and_no_data_is_needed(run: Path, small_digits: DataSet) -> None:
    test = small_digits.test[:120]
    reference = FullReference.of("mnist", test.images, test.labels, small_digits.fit.images)  # a name to know it by
    reference.save(run / NAME)
    assert main([str(run), "--data-dir", "nowhere"]) == 0
    report = json.loads((run / "evaluation/evaluation.json").read_text())
    assert report["how"]["reference"] == NAME
    assert report["how"]["real_images"] == 120
    images, asked = open_pair(str(run)).images(120)
    assert generator_quality(images, asked, reference.light).items() <= report["figures"].items()


def test_other_data_sets_in_the_folder_are_shown_to_the_detector(
    run: Path, small_digits: DataSet, tmp_path: Path
) -> None:
    write_blank(tmp_path, "fashion-mnist")
    assert main([str(run), "--images", "100", "--data-dir", str(tmp_path)]) == 0
    figures = json.loads((run / "evaluation/evaluation.json").read_text())["figures"]
    assert figures["fashion_mnist_called_real"] in (0, 1)  # its images here are one and the same
    assert "qmnist_called_real" not in figures


def test_a_run_in_progress_is_measured_by_its_average_and_without_a_detector(tmp_path: Path) -> None:
    gan = Gan(SMALL, torch.device("cpu"))
    with torch.no_grad():
        for weight in gan.ema.parameters():
            weight.mul_(0.5)
    state = Checkpoint(SMALL, "half-way", "none", images_seen=7, gan=gan.state_dict())
    save_checkpoint(state, tmp_path)
    pair = open_pair(str(tmp_path / "checkpoint.pt"))
    assert pair.score is None
    assert pair.about["kind"] == "run in progress"
    own = dataclasses.replace(state, generator=gan.ema.state_dict(), discriminator=build_detector(SMALL).state_dict())
    (tmp_path / "own").mkdir()
    save_checkpoint(dataclasses.replace(own, finished=True), tmp_path / "own")
    assert torch.equal(pair.images(10)[0], open_pair(str(tmp_path / "own")).images(10)[0])


def test_a_repository_gives_the_digits_of_the_run_that_it_was_exported_from(
    run_of: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exported = run_of(SMALL)
    repository = Path("models")
    assert export(exported, repository) == 1
    Path("run").mkdir()
    save_checkpoint(exported, Path("run"))
    (images, asked), (of_run, asked_of_run) = (open_pair(where).images(200) for where in ("models@1", "run"))
    assert (images.int() - of_run.int()).abs().max() <= 1
    assert asked is not None
    assert asked_of_run is not None
    assert asked.tolist() == asked_of_run.tolist() == list(range(10)) * 20
    assert open_pair("models").about == open_pair("models/generator/1").about
    assert main(["models", "--images", "100"]) == 0
    report = json.loads(Path("artifacts/evaluations/models-1/evaluation.json").read_text())
    assert report["how"]["real_images"] == 100
    assert "models version 1: model repository" in capsys.readouterr().out


def test_a_pair_without_classes_has_no_figure_for_them(run_of: Runs, tmp_path: Path) -> None:
    save_checkpoint(run_of(PRESETS["article"].with_options(DATASET)), tmp_path)
    assert main([str(tmp_path), "--images", "100"]) == 0
    report = json.loads((tmp_path / "evaluation/evaluation.json").read_text())
    assert "recognised_as_asked" not in report["figures"]
    assert "class_divergence" in report["figures"]
    assert main([str(tmp_path), "--tstr"]) == 1


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nowhere", "nowhere does not exist"),
        (".", "neither a run (it has no checkpoint.pt) nor a model repository"),
        ("models@7", "version 7 is not complete in"),
        ("torn", "cannot be read"),
        ("new", "has no generator yet"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_by_name(
    where: str, message: str, model_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("models").symlink_to(model_repository)
    Path("torn").mkdir()
    Path("torn/checkpoint.pt").write_bytes(b"PK")
    Path("new").mkdir()
    save_checkpoint(Checkpoint(SMALL, "new", "none"), Path("new"))
    assert main([where]) == 1
    first_line = capsys.readouterr().err.splitlines()[0]
    assert first_line.startswith("digitforge-evaluate: ")
    assert message in first_line


def test_a_goal_is_for_the_difference_from_the_floor_and_nan_reaches_none() -> None:
    recall = next(figure for figure in FIGURES if figure.key == "recall")
    assert goal_met(recall, {"recall": 0.82, "recall_floor": 0.84})
    assert not goal_met(recall, {"recall": 0.80, "recall_floor": 0.90})
    assert goal_met(recall, {"recall": 0.80}) is None
    assert goal_met(recall, {"recall": float("nan"), "recall_floor": 0.9}) is False
    assert goals({"auroc": 0.95, "fakes_called_fake": 0.8}) == {
        "auroc": {"of": "value", "at_least": 0.999, "met": False}
    }
    assert rows({"recall": 0.8, "recall_floor": 0.9}) == [("recall", "0.8000", "0.9000", "-0.1000", "≥ -0.03", "no")]
