"""The programs in `examples/`, run as a reader runs them."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from digitforge import Client
from examples.train_on_stream import ServedDigits
from tests.picture_files import ring

pytestmark = pytest.mark.any_transport
Run = Callable[..., CompletedProcess[str]]


def test_a_server_is_asked_what_it_has_for_digits_and_for_their_scores(run_module: Run, address: str) -> None:
    result = run_module("examples.ask_for_digits", address)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[1] == "version 2, the default: trained on mnist, 10 classes"
    assert lines[2] == "images (8, 28, 28) of uint8, classes [0 1 2 3 4 5 6 7]"
    with Client(address) as client:
        scores = [client.score(image) for image in client.generate(8, seed=7).images]
    for index, (line, score) in enumerate(zip(lines[3:], scores, strict=True)):
        assert line == f"image {index}: real with probability {score.real_probability:.4f}, {score.verdict}"


def test_a_server_that_is_not_there_is_told_in_a_line(run_module: Run) -> None:
    result = run_module("examples.ask_for_digits", "localhost:1")
    assert result.returncode == 1
    assert "localhost:1" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_share_a_stream_of_labelled_digits_and_lose_none(workers: int, address: str) -> None:
    digits = ServedDigits(address, seed=7, count=45, offset=5)
    context = "spawn" if workers else None
    loader = DataLoader(digits, batch_size=None, num_workers=workers, multiprocessing_context=context)
    found = [((image.numpy() * 255).round().astype(np.uint8).tobytes(), label) for image, label in loader]
    with Client(address) as client:
        expected = client.generate(45, seed=7, offset=5)
    assert expected.classes is not None
    wanted = [(image.tobytes(), label) for image, label in zip(expected.images, expected.classes, strict=True)]
    assert (found if workers == 0 else sorted(found)) == (wanted if workers == 0 else sorted(wanted))


def test_a_classifier_is_trained_on_the_stream(run_module: Run, address: str) -> None:
    result = run_module("examples.train_on_stream", "--address", address, "--images", 4000)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(r"2000 images seen, \d+ recognised\n4000 images seen, \d+ recognised\n", result.stdout)


def test_a_folder_is_scored_picture_by_picture(run_module: Run, address: str, tmp_path: Path) -> None:
    image = ring()
    with Client(address) as client:
        score = client.score(image)
    (tmp_path / "below").mkdir()
    Image.fromarray(image).save(tmp_path / "below/digit.png")
    Image.fromarray(image).resize((90, 90)).save(tmp_path / "large.PNG")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    result = run_module("examples.score_folder", tmp_path, address)
    assert (result.returncode, result.stderr) == (0, "")
    digit, broken, large = csv.DictReader(result.stdout.splitlines())
    assert (digit["file"], digit["normalised"]) == (str(tmp_path / "below/digit.png"), "False")
    assert (digit["verdict"], digit["digit"]) == (score.verdict, str(score.digit))
    for name in ("real_probability", "digit_probability"):
        assert float(digit[name]) == pytest.approx(getattr(score, name), abs=1e-6)
    assert "10 bytes" in broken["error"]
    assert large["normalised"] == "True"
