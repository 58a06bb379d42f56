"""A run made anew from an exported generator."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from benchmarks.renew_detector import NotRecoveredError, recovered, recovered_detector
from digitforge.machine.onnx_runtime import onnxruntime
from tests.documents import ROOT
from training.checkpoint import load_checkpoint, save_checkpoint
from training.config import PRESETS
from training.data import DataSet
from training.networks import build_generator
from training.pixels import normalise


@pytest.fixture(scope="module")
def generator_file() -> Path:
    return max((ROOT / "models" / "generator").glob("*/model.onnx"))


def test_a_recovered_run_stands_where_one_stands_before_its_detector_stage(
    generator_file: Path, tmp_path: Path
) -> None:
    run, pixels = recovered(generator_file, {"detector_images": 640})
    assert pixels.most <= 1
    assert pixels.differing / pixels.count < 1e-4
    save_checkpoint(run, tmp_path)
    run = load_checkpoint(tmp_path)
    about = {entry.key: entry.value for entry in onnx.load(generator_file).metadata_props}
    config = json.loads(about["digitforge.config"])
    assert (run.run_id, run.dataset) == (about["digitforge.run_id"], config["dataset"])
    assert (run.images_seen, run.finished) == (int(about["digitforge.images_seen"]), False)
    assert run.source_commit.startswith(about["digitforge.source_commit"])
    assert run.config.detector_images == 640
    assert run.config.detector_pool == PRESETS["best"].detector_pool  # today's, whatever it was
    assert run.config.generator_channels == config["generator_channels"]
    assert run.best is not None
    build_generator(run.config).load_state_dict(run.best["generator"])  # every weight is there


def test_other_weights_than_the_config_says_are_refused(generator_file: Path, tmp_path: Path) -> None:
    model = onnx.load(generator_file)
    config = next(entry for entry in model.metadata_props if entry.key == "digitforge.config")
    config.value = json.dumps(json.loads(config.value) | {"generator_channels": 4})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(NotRecoveredError, match="other weights than its config says"):
        recovered(tmp_path / "model.onnx", {})


def test_a_file_that_makes_other_images_than_its_weights_would_is_refused(generator_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    shutil.copy(generator_file, path)
    model = onnx.load(path)
    config = next(entry for entry in model.metadata_props if entry.key == "digitforge.config")
    config.value = json.dumps(json.loads(config.value) | {"pixel_mean": 0.3})
    onnx.save(model, path)
    with pytest.raises(NotRecoveredError, match="other images"):
        recovered(path, {})


def test_a_recovered_detector_answers_as_its_file_does_in_training_too(
    generator_file: Path, small_digits: DataSet
) -> None:
    run, _ = recovered(generator_file, {})
    path = max((ROOT / "models" / "discriminator").glob("*/model.onnx"))
    images = small_digits.fit.images[:200]
    detector = recovered_detector(path, run.config, images)
    (there,) = onnxruntime.InferenceSession(path).run(["logit"], {"images": images.numpy()})
    pixels = normalise(images, run.config.pixel_mean, run.config.pixel_std)
    for norm in [None, *(layer for layer in detector.texture if isinstance(layer, nn.BatchNorm2d))]:
        if norm is not None:  # by the images' own statistics, of which it was made
            norm.train()
        with torch.no_grad():
            found = detector(pixels).logit.numpy()
        assert np.abs(found - there).max() < 0.05


def test_a_detector_of_another_form_is_refused(generator_file: Path, small_digits: DataSet) -> None:
    run, _ = recovered(generator_file, {"detector_channels": 24})
    path = max((ROOT / "models" / "discriminator").glob("*/model.onnx"))
    with pytest.raises(
        NotRecoveredError, match=r"texture.1.weight is of shape \(16, .*, that of a detector here \(24, 2, 3, 3\)"
    ):
        recovered_detector(path, run.config, small_digits.fit.images[:200])
