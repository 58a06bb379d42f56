"""What an export holds the pair of files to, beyond each file by itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from evaluation.reference import NAME as REFERENCE
from evaluation.reference import FullReference
from export.errors import VerificationError
from export.export_run import export
from export.pair_quality import Trial, check_quality
from tests.conftest import untrained_run
from training.config import PRESETS
from training.data import DataSet


@pytest.fixture(scope="module")
def run_folder(small_digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the real digits that quality is measured against, and no more."""
    folder = tmp_path_factory.mktemp("run")
    test, fit = small_digits.test, small_digits.fit
    FullReference.of(small_digits.name, test.images, test.labels, fit.images).save(folder / REFERENCE)
    return folder


def test_figures_of_a_pair_are_of_what_it_makes_and_what_its_detector_says(run_folder: Path) -> None:
    reference = FullReference.load(run_folder / REFERENCE)
    trial = Trial.of(50, 10, reference)
    negatives = 255 - reference.images

    def darkness(images: torch.Tensor) -> torch.Tensor:
        return 255 - images.double().mean(dim=(1, 2)).unsqueeze(1)

    figures = trial.measure(lambda z, digit: negatives, darkness)
    assert figures["auroc"] == 1  # real digits are the darker ones
    assert figures["test_images"] == len(reference)
    assert 0 <= figures["recognised_as_asked"] < 0.5
    clothing = replace(trial, reference=replace(reference, shows_digits=False))
    assert "recognised_as_asked" not in clothing.measure(lambda z, digit: negatives, darkness)
    same = trial.measure(lambda z, digit: reference.images, darkness)
    assert same["frechet_distance"] < 1e-3 * figures["frechet_distance"]
    assert same["auroc"] == pytest.approx(0.5)


@pytest.mark.parametrize("figure", ["frechet_distance", "auroc"])
def test_figures_that_are_no_numbers_or_off_to_either_side_are_refused(figure: str) -> None:
    expected = {"frechet_distance": 10.0, "auroc": 0.9}
    check_quality("a", expected, dict(expected), 0.0, 0.0)
    for factor in (0.98, 1.02, float("nan")):
        with pytest.raises(VerificationError, match=rf"a: {figure} is "):
            check_quality("a", expected | {figure: factor * expected[figure]}, expected, 0.01, 0.01)


def a_tenth_brighter(model: onnx.ModelProto) -> None:
    """All pixels before they are rounded."""
    rounding = next(node for node in model.graph.node if node.op_type == "Round")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1.1, np.float32), "tenth"))
    brighter = onnx.helper.make_node("Mul", [rounding.input[0], "tenth"], ["brighter"])
    rounding.input[0] = "brighter"
    model.graph.node.insert(list(model.graph.node).index(rounding), brighter)


def upside_down(model: onnx.ModelProto) -> None:
    """The logit of a real image becomes a fake's."""
    last = next(node for node in model.graph.node if "logit" in node.output)
    last.output[:] = ["was"]
    model.graph.node.append(onnx.helper.make_node("Neg", ["was"], ["logit"]))


@pytest.mark.parametrize(
    ("model", "spoil", "figure"),
    [("generator", a_tenth_brighter, "frechet_distance"), ("discriminator", upside_down, "auroc")],
)
def test_a_pair_of_files_that_is_not_worth_what_pytorchs_is_never_appears(
    model: str, spoil: Callable[[onnx.ModelProto], None], figure: str, run_folder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    run = untrained_run(PRESETS["article"].with_options({"dataset": "sklearn-digits"}))

    def spoil_once_verified(line: str) -> None:
        if line.startswith(f"{model}: equal to PyTorch"):
            (path,) = (tmp_path / model).glob("*/1/model.onnx")
            file = onnx.load(path)
            spoil(file)
            onnx.save(file, path)

    bound = rf"the exported pair beside PyTorch's: {figure} is .* apart; at most .* is allowed"
    with pytest.raises(VerificationError, match=bound):
        export(run, tmp_path, run_folder, say=spoil_once_verified)
    assert list(tmp_path.glob("*/1")) == []
