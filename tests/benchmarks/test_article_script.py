"""The tutorial's script runs as it stands. That its steps are the preset's: see `training/test_article_recipe.py`."""

from pathlib import Path

import pytest
import torch

from benchmarks.article_script import data_loader, run
from training.config import PRESETS
from training.data import DataSet
from training.pixels import normalise


@pytest.fixture
def mnist_folder(small_digits: DataSet, tmp_path: Path) -> Path:
    """A folder that torchvision takes for MNIST's, with the small digits in it."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, part in (("train", small_digits.fit), ("t10k", small_digits.test)):
        for suffix, values in (("images-idx3-ubyte", part.images), ("labels-idx1-ubyte", part.labels)):
            header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
            (raw / f"{prefix}-{suffix}").write_bytes(header + values.to(torch.uint8).numpy().tobytes())
    return tmp_path


def test_its_pixels_are_those_of_the_preset(mnist_folder: Path, small_digits: DataSet) -> None:
    loader = data_loader(mnist_folder)
    theirs, _ = loader.dataset[3]
    preset = PRESETS["article"]
    ours = normalise(small_digits.fit.images[3:4], preset.pixel_mean, preset.pixel_std)
    assert torch.allclose(theirs.flatten(), ours[0], atol=1e-6)
    assert len(loader) == -(-len(small_digits.fit) // 128)


def test_it_times_so_many_steps_over_epochs(mnist_folder: Path, small_digits: DataSet) -> None:
    epoch = len(small_digits.fit)
    steps = -(-epoch // 128)
    figures = run(mnist_folder, torch.device("cpu"), warm_up_steps=steps, steps=2 * steps, seconds=None)
    assert (figures["steps"], figures["images"]) == (2 * steps, 2 * epoch)
    assert figures["images_per_s"] == pytest.approx(2 * epoch / figures["seconds"])
