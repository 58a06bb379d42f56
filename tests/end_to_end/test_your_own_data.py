"""docs/your-own-data.md, from a folder of photos to a served generator: its own lines, on few pictures."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitforge import Client
from tests.documents import ROOT, commands
from tests.once import made_once

pytestmark = pytest.mark.any_transport
PAGE = ROOT / "docs" / "your-own-data.md"
SMALL = (
    "--generator-hidden 16,32 --generator-channels 4 --discriminator-hidden 32,16 --discriminator-channels 2 "
    "--detector-channels 2 --images 1300 --milestone-images 600 --detector-images 256 --detector-pool 16 --log-steps 3"
)
SHAPES = ("circle", "cross", "zigzag")


def photograph(path: Path, shape: str, rng: np.random.Generator) -> None:
    """A drawing with a dark pen on coloured paper."""
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = Image.new("RGB", (160, 120), f"hsl({rng.integers(360)}, 40%, 85%)")
    x, y, size = (int(value) for value in rng.integers((10, 10, 50), (60, 40, 75)))
    ink, width = (20, 30, 60), int(rng.integers(4, 8))
    drawing = ImageDraw.Draw(photo)
    if shape == "circle":
        drawing.ellipse((x, y, x + size, y + size), outline=ink, width=width)
    elif shape == "cross":
        drawing.line((x, y, x + size, y + size), fill=ink, width=width)
        drawing.line((x + size, y, x, y + size), fill=ink, width=width)
    else:
        drawing.line((x, y, x + size, y + size // 3, x, y + 2 * size // 3, x + size, y + size), fill=ink, width=width)
    photo.save(path)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A folder with the photos, and with what the page's lines that train and export make there."""

    def make(place: Path) -> None:
        rng = np.random.default_rng(0)
        for number in range(30):
            for shape in SHAPES:
                photograph(place / "shapes" / shape / f"{number}.jpg", shape, rng)
        photograph(place / "photo.jpg", "cross", rng)
        for words in lines("digitforge-train", "digitforge-export"):
            run(words + (shlex.split(SMALL) if words[0] == "digitforge-train" else []), place)

    made = made_once(tmp_path_factory, "own-data", make)
    return Path(shutil.copytree(made, tmp_path / "place", symlinks=True))


def lines(*programs: str) -> list[list[str]]:
    """The page's lines of these programs."""
    return [command.words for command in commands(PAGE) if command.words[0] in programs]


def run(words: list[str], place: Path, **variables: str) -> str:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(place / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(words, cwd=place, env=environment | variables, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_folder_of_photos_becomes_a_served_generator(place: Path, start_server: Callable[..., Any]) -> None:
    assert lines("digitforge-serve") == [["digitforge-serve"]]  # which serves artifacts/models, where the export went
    server = start_server(repository=place / "artifacts" / "models")
    address = server.address
    said = [run(words, place, DIGITFORGE_CLIENT_ADDRESS=address) for words in lines("digitforge")]
    assert "circle, cross, zigzag" in said[0]
    assert (place / "shapes.png").is_file()
    assert sorted(path.name for path in (place / "crosses").iterdir())[:2] == ["00-1.png", "01-1.png"]
    assert "photo.jpg" in said[-1]

    with Client(address) as client:
        digits = client.generate(7, seed=1)
        assert digits.classes is not None
        assert digits.classes.tolist() == [0, 1, 2, 0, 1, 2, 0]  # image i has class i mod their number
        assert client.models()[0].class_names == SHAPES
    wrong = ["digitforge", "generate", "--address", address, "--digit", "star", "-o", "star.png"]
    refused = subprocess.run(
        [str(Path(sys.executable).parent / wrong[0]), *wrong[1:]], cwd=place, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "--digit star: version 1 has no such class; its classes: circle, cross, zigzag" in refused.stderr


def test_the_run_refuses_to_go_on_with_other_pictures(place: Path) -> None:
    out = place / "another"
    options = f"--dataset folder --data-dir shapes {SMALL} --out {out} --detector-images 0"
    stopped = subprocess.run(
        [sys.executable, "-c", STOPPED.format(arguments=shlex.split(options))],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(place / "cache")},
        capture_output=True,
        text=True,
    )
    assert stopped.returncode == 130, stopped.stderr
    assert "--data-dir shapes" in stopped.stdout  # what it is gone on with
    again = [sys.executable, "-m", "training", "--resume", "--out", str(out), "--data-dir", "shapes"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(place / "cache")}
    photo = place / "shapes" / "cross" / "new.jpg"
    photograph(photo, "cross", np.random.default_rng(1))
    refused = subprocess.run(again, cwd=place, env=environment, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "files were added, changed or removed" in refused.stderr
    photo.unlink()
    resumed = subprocess.run(again, cwd=place, env=environment, capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr


# Ctrl-C before the first step.
STOPPED = """
import signal, sys
from training import command
train = command.train
def interrupted(*arguments):
    signal.raise_signal(signal.SIGINT)
    return train(*arguments)
command.train = interrupted
sys.exit(command.main({arguments!r}))
"""
