"""`digitforge generate` and `digitforge score` against a real server."""

import json
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from PIL import Image

from protos.digits.v1 import digits_pb2 as pb
from tests.end_to_end.command import Command, assert_fails
from tests.picture_files import ring

pytestmark = pytest.mark.any_transport


def pixels(response: pb.GenerateResponse) -> np.ndarray:
    return np.frombuffer(b"".join(response.images), np.uint8).reshape(-1, 28, 28)


def noise(side: int) -> Image.Image:
    """A picture that no file format makes smaller."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side), np.uint8))


def test_sheet_shows_the_images_ten_in_a_row(digitforge: Command, stub: Any, tmp_path: Path) -> None:
    result = digitforge("generate", "-n", 25, "--seed", 7, "-o", tmp_path / "sheet.png")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{tmp_path / 'sheet.png'}: 25 images, seed 7, offset 0, version 2\n"
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (3 * 58 + 2, 10 * 58 + 2)
    for index, image in enumerate(pixels(stub.Generate(pb.GenerateRequest(seed=7, n=25)))):
        top, left = 2 + 58 * (index // 10), 2 + 58 * (index % 10)
        assert np.array_equal(sheet[top : top + 56 : 2, left : left + 56 : 2], image)


def test_array_holds_the_images_and_what_they_are(digitforge: Command, stub: Any, tmp_path: Path) -> None:
    options = ("-n", 1100, "--seed", 2**64 - 1, "--offset", 2**64 - 1100, "--model-version", 1)
    assert digitforge("generate", *options, "-o", tmp_path / "digits.npz").returncode == 0
    expected = stub.Generate(pb.GenerateRequest(seed=2**64 - 1, n=1100, offset=2**64 - 1100, version=1))
    with np.load(tmp_path / "digits.npz") as found:
        assert np.array_equal(found["images"], pixels(expected))
        assert found["digits"].tolist() == list(expected.digits)
        assert (int(found["seed"]), int(found["offset"]), int(found["version"])) == (2**64 - 1, 2**64 - 1100, 1)


@pytest.mark.parametrize("name", ["one.PNG", "one.Npz"])
def test_ending_is_known_in_any_case_and_the_file_has_its_very_name(
    digitforge: Command, tmp_path: Path, name: str
) -> None:
    result = digitforge("generate", "-n", 1, "--seed", 7, "-o", tmp_path / name)
    assert result.stdout == f"{tmp_path / name}: 1 image, seed 7, offset 0, version 2\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_folder_holds_a_file_each_named_by_index_and_class(digitforge: Command, stub: Any, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "digits"
    result = digitforge("generate", "-n", 12, "--seed", 7, "--offset", 95, "--out-dir", folder)
    assert result.returncode == 0
    names = [f"{index:03d}-{index % 10}.png" for index in range(95, 107)]
    assert sorted(path.name for path in folder.iterdir()) == names
    expected = pixels(stub.Generate(pb.GenerateRequest(seed=7, n=12, offset=95)))
    for name, image in zip(names, expected, strict=True):
        assert np.array_equal(np.asarray(Image.open(folder / name)), image)


def test_images_without_classes_are_named_by_index(
    run_module: Callable[..., CompletedProcess[str]], classless_address: str, tmp_path: Path
) -> None:
    options = ("--address", classless_address, "-n", 3)
    assert run_module("digitforge", "generate", *options, "--out-dir", tmp_path / "one").returncode == 0
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["0.png", "1.png", "2.png"]
    assert run_module("digitforge", "generate", *options, "-o", tmp_path / "two.npz").returncode == 0
    with np.load(tmp_path / "two.npz") as found:
        assert "digits" not in found


def test_digit_is_asked_for_and_the_seed_that_was_drawn_is_named(digitforge: Command, tmp_path: Path) -> None:
    result = digitforge("generate", "-n", 4, "--digit", 6, "-o", tmp_path / "six.npz")
    with np.load(tmp_path / "six.npz") as found:
        assert found["digits"].tolist() == [6] * 4
        assert f"seed {found['seed']}," in result.stdout


@pytest.fixture
def files(stub: Any, tmp_path: Path) -> list[Path]:
    """A digit's file and a generated image's pixels, a file that is no image between them."""
    (generated,) = stub.Generate(pb.GenerateRequest(seed=1, offset=1)).images
    paths = [tmp_path / name for name in ("a.png", "broken.png", "b.raw")]
    Image.fromarray(ring()).save(paths[0])
    paths[1].write_bytes(b"no image")
    paths[2].write_bytes(generated)
    return paths


def test_each_file_is_scored_on_a_line_of_its_own(digitforge: Command, stub: Any, files: list[Path]) -> None:
    result = digitforge("score", files[0], files[2])
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    for path, line in zip((files[0], files[2]), lines, strict=True):
        score = stub.Score(pb.ScoreRequest(image=path.read_bytes()))
        probability, verdict, digit, name = re.split("  +", line)
        assert float(probability) == pytest.approx(score.real_probability, abs=1e-4)
        assert (verdict, score.verdict) == ("real digit", pb.VERDICT_REAL_DIGIT)
        assert digit == f"{score.digit} ({score.digit_probability:.3f})"
        assert name == str(path)
    assert lines[0].index("  real") == lines[1].index("  real")


def test_nothing_found_and_what_is_no_digit_have_no_digit_on_their_lines(
    digitforge: Command, files: list[Path]
) -> None:
    blank, two = (files[0].with_name(name) for name in ("blank.png", "generated.raw"))
    Image.new("L", (200, 100), 240).save(blank)
    two.write_bytes(files[2].read_bytes())
    lines = digitforge("score", "--model-version", 1, blank, two).stdout.splitlines()
    assert lines[0] == f"0.0000  nothing found             {blank}  (normalised)"
    assert re.fullmatch(rf"0\.\d{{4}}  generated      \d \(0\.\d{{3}}\)  {two}", lines[1])
    (line,) = digitforge("score", "--json", blank).stdout.splitlines()
    found = json.loads(line)
    assert (found["verdict"], found["real_probability"], found["digit"]) == ("nothing found", 0.0, None)


def test_scores_are_json_lines_where_they_are_asked_for(digitforge: Command, stub: Any, files: list[Path]) -> None:
    result = digitforge("score", "--json", "--model-version", 1, files[0])
    score = stub.Score(pb.ScoreRequest(image=files[0].read_bytes(), version=1))
    assert json.loads(result.stdout) == {
        "file": str(files[0]),
        "verdict": "generated",
        "real": score.real,
        "real_probability": pytest.approx(score.real_probability, abs=1e-6),
        "version": 1,
        "normalised": False,
        "digit": score.digit,
        "digit_probability": pytest.approx(score.digit_probability, abs=1e-6),
        "one_digit_probability": pytest.approx(score.one_digit_probability, abs=1e-6),
    }


def test_what_was_scored_is_saved_under_its_files_place_and_name(
    digitforge: Command, stub: Any, files: list[Path], tmp_path: Path
) -> None:
    large = tmp_path / "large.jpeg"
    Image.open(files[0]).resize((90, 90)).save(large)
    folder = tmp_path / "new" / "scored"
    missing = tmp_path / "missing.png"
    result = digitforge("score", "--save-scored", folder, missing, *files, large, *[files[0]] * 6)
    assert [line.split()[-1] for line in result.stdout.splitlines()[:2]] == [str(files[0]), str(files[2])]
    names = ["01-a.png", "03-b.png", "04-large.png", *(f"{place:02d}-a.png" for place in range(5, 11))]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name, path in (("01-a.png", files[0]), ("03-b.png", files[2]), ("04-large.png", large)):
        answer = stub.Score(pb.ScoreRequest(image=path.read_bytes(), return_image=True))
        assert np.asarray(Image.open(folder / name)).tobytes() == answer.scored_image


def test_refused_files_have_their_json_lines_in_their_places(digitforge: Command, files: list[Path]) -> None:
    missing = files[0].with_name("missing.png")
    result = digitforge("score", "--json", missing, *files, missing)
    assert (result.returncode, result.stderr) == (1, "")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["file"] for line in lines] == [str(path) for path in (missing, *files, missing)]
    assert lines[0] == lines[4] == {"file": str(missing), "error": "No such file or directory"}
    assert lines[2] == {"file": str(files[1]), "error": lines[2]["error"]}
    assert "neither 784 raw ones nor a PNG" in lines[2]["error"]
    assert ["error" in line for line in lines] == [True, False, True, False, True]


def test_file_beyond_the_servers_limit_is_named_and_the_others_are_scored(
    run_module: Callable[..., CompletedProcess[str]], start_server: Callable[..., Any], files: list[Path]
) -> None:
    large = files[0].with_name("large.png")
    noise(300).save(large)
    server = start_server("--max-request-bytes", "20000")
    result = run_module("digitforge", "score", "--address", server.address, files[0], large, files[2])
    assert result.returncode == 1
    assert [line.split()[-1] for line in result.stdout.splitlines()] == [str(files[0]), str(files[2])]
    (error,) = result.stderr.splitlines()
    assert error.startswith(f"digitforge: {large}: ")
    assert re.search(r"larger than .*\b20000\b", error)


def test_more_files_than_are_on_their_way_at_a_time_are_scored_in_order(
    digitforge: Command, stub: Any, tmp_path: Path
) -> None:
    images = stub.Generate(pb.GenerateRequest(seed=1, n=50)).images
    for index, image in enumerate(images):
        (tmp_path / f"{index:02d}.raw").write_bytes(image)
    expected = [stub.Score(pb.ScoreRequest(image=image)).real_probability for image in images]
    lines = digitforge("score", "--json", *sorted(tmp_path.iterdir())).stdout.splitlines()
    assert [json.loads(line)["real_probability"] for line in lines] == pytest.approx(expected, abs=1e-6)


def test_picture_of_another_size_is_marked_as_normalised(digitforge: Command, files: list[Path]) -> None:
    picture = files[0].with_name("large.png")
    Image.open(files[0]).resize((90, 90)).save(picture)
    first, second = digitforge("score", files[0], picture).stdout.splitlines()
    assert first.endswith(str(files[0]))
    assert second.endswith(f"{picture}  (normalised)")
    assert json.loads(digitforge("score", "--json", picture).stdout)["normalised"] is True


def test_folder_that_cannot_be_made_is_refused_before_a_server_is_asked(
    run_module: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    options = ("--address", "localhost:1", "--save-scored", tmp_path / "file/new", "a.png")
    assert_fails(run_module("digitforge", "score", *options), 2, "--save-scored", "file/new", "no folder")


def test_file_that_is_no_image_or_not_there_fails_alone(digitforge: Command, files: list[Path]) -> None:
    missing = files[0].with_name("missing.png")
    result = digitforge("score", files[0], missing, *files[1:])
    assert result.returncode == 1
    assert [line.split()[-1] for line in result.stdout.splitlines()] == [str(files[0]), str(files[2])]
    errors = sorted(result.stderr.splitlines())
    assert len(errors) == 2
    assert errors[0].startswith(f"digitforge: {files[1]}: image: 8 bytes that are neither 784 raw ones nor a PNG")
    assert errors[1] == f"digitforge: {missing}: No such file or directory"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model-version", 9], ["NOT_FOUND", "version: 9", "[1, 2]"]),
        (["-n", 10_000_001], ["INVALID_ARGUMENT", "10000001", "10000000"]),
        (["-n", 2, "--offset", 2**64 - 1], ["INVALID_ARGUMENT", "offset"]),
    ],
)
def test_refusal_of_the_server_is_told_in_a_line(
    digitforge: Command, tmp_path: Path, options: list[Any], words: list[str]
) -> None:
    result = digitforge("generate", *options, "-o", tmp_path / "digits.npz")
    assert_fails(result, 1, *words)
    assert not (tmp_path / "digits.npz").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "nowhere/digits.npz"], ["-o ", "no folder", "nowhere"]),
        (["-o", "file/digits.npz"], ["-o ", "no folder", "file"]),
        (["-o", "folder.png"], ["-o ", "folder.png", "is a folder"]),
        (["--out-dir", "file"], ["--out-dir", "file", "no folder"]),
        (["--out-dir", "file/new"], ["--out-dir", "file", "no folder"]),
    ],
)
def test_place_that_cannot_be_written_to_is_refused_before_a_server_is_asked(
    run_module: Callable[..., CompletedProcess[str]], tmp_path: Path, options: list[str], words: list[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    option, place = options
    result = run_module("digitforge", "generate", "--address", "localhost:1", option, tmp_path / place)
    assert_fails(result, 2, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], ["-o FILE", "--out-dir"]),
        (["-o", "a.png", "--out-dir", "b"], ["either"]),
        (["-o", "a.jpg"], ["a.jpg", ".png", ".npz"]),
        (["-o", "a.png", "-n", 10_001], ["10001", "10000"]),
        (["-o", "a.png", "-n", 0], ["-n", "'0'", "1"]),
        (["-o", "a.png", "-n", 2**32], ["-n", str(2**32), str(2**32 - 1)]),
        (["-o", "a.png", "--seed", -1], ["--seed", "'-1'", "0"]),
        (["-o", "a.png", "--seed", 2**64], ["--seed", str(2**64), str(2**64 - 1)]),
        (["-o", "a.png", "--offset", "x"], ["--offset", "'x'"]),
        (["-o", "a.png", "--digit", 10], ["--digit", "'10'", "9"]),
        (["-o", "a.png", "--model-version", -1], ["--model-version", "'-1'", "0"]),
        (["-o", "a.png", "--model-version", 2**32], ["--model-version", str(2**32), str(2**32 - 1)]),
    ],
)
def test_wrong_options_are_told_in_a_line(digitforge: Command, options: list[Any], words: list[str]) -> None:
    assert_fails(digitforge("generate", *options), 2, *words)


def test_unknown_option_is_told_by_the_usage_of_its_command(digitforge: Command) -> None:
    result = digitforge("generate", "--bogus")
    assert_fails(result, 2, "digitforge generate", "--bogus")
    assert "--out-dir" in result.stderr


def test_version_is_told(run_module: Callable[..., CompletedProcess[str]]) -> None:
    assert run_module("digitforge", "--version").stdout == f"digitforge {version('digitforge')}\n"
