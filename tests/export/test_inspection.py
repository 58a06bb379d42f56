"""`digitforge-export --inspect`: what a version is, from its files alone."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from export import command
from export.inspection import versions_of

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "models"


def inspect(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert command.main(["--inspect", str(path)]) == 0
    return capsys.readouterr().out


def test_a_shipped_version_shows_tensors_quality_training_and_hashes(capsys: pytest.CaptureFixture[str]) -> None:
    folder = SHIPPED / "generator/6"
    text = inspect(folder, capsys)
    lines = {tuple(line.split(maxsplit=1)) for line in text.splitlines() if len(line.split(maxsplit=1)) == 2}
    for name in ("model.onnx", "MODEL_CARD.md"):
        assert str(folder / name) in text
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() in text
    assert {("z", "float32[batch, 50]"), ("digit", "int64[batch, 1]"), ("images", "uint8[batch, 28, 28]")} <= lines
    model = onnx.load(folder / "model.onnx")
    weights = sum(
        onnx.numpy_helper.to_array(tensor).size for tensor in model.graph.initializer if tensor.data_type == 1
    )
    facts = {"bytes": (folder / "model.onnx").stat().st_size, "opset": 20, "nodes": len(model.graph.node)}
    for name, number in (facts | {"numbers in weights": weights}).items():
        assert re.search(rf"^ +{name} +{number:,}$", text, re.MULTILINE)
    about = {entry.key.removeprefix("digitforge."): entry.value for entry in model.metadata_props}
    for name, figure in json.loads(about.pop("quality")).items():
        assert (name, f"{figure:g}") in lines
    for name, value in json.loads(about.pop("config")).items():
        assert (name, json.dumps(value)) in lines
    assert set(about.items()) <= lines


def test_a_repository_shows_a_line_for_each_version(
    model_repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "models"
    shutil.copytree(model_repository, repository)
    shutil.copytree(repository / "discriminator/2", repository / "discriminator/3")
    (repository / "generator/3").mkdir()  # and no model in it yet
    shutil.rmtree(repository / "generator/1")
    shutil.copytree(repository / "generator/2", repository / "generator/1")
    text = inspect(repository, capsys)
    assert "version 1  not a pair: its models come from different runs" in text
    assert "version 2  complete  run untrained-2" in text
    assert "version 3  not complete: it has no generator" in text
    assert f"{repository / 'generator/2'}  model.onnx  frechet_ratio 2  auroc 0.9\n" in text
    assert f"{repository / 'discriminator/2'}  model.onnx  auroc 0.9\n" in text
    assert inspect(repository / "generator", capsys) == text


def test_a_repository_with_an_at_in_its_name_is_one(
    model_repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "models@1"
    repository.symlink_to(model_repository)
    assert "version 2  complete" in inspect(repository, capsys)


def test_versions_of_a_run_are_found_beside_one_that_cannot_be_read(model_repository: Path, tmp_path: Path) -> None:
    repository = Path(shutil.copytree(model_repository, tmp_path / "models"))
    for version, content in ((3, b"\xff" * 100), (4, None)):
        (repository / f"generator/{version}").mkdir()
        if content is not None:
            (repository / f"generator/{version}/model.onnx").write_bytes(content)
    shutil.copytree(repository / "generator/1", repository / "generator/10")
    assert versions_of("untrained-1", repository) == [1, 10]
    assert versions_of("untrained-2", repository) == [2]
    assert versions_of("untrained", repository) == []


def test_a_version_of_a_repository_shows_both_models(
    model_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = inspect(Path(f"{model_repository}@2"), capsys)
    for model in ("generator", "discriminator"):
        assert inspect(model_repository / model / "2", capsys).strip() in both


def test_a_file_alone_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = inspect(SHIPPED / "discriminator/6/model.onnx", capsys)
    assert re.search(r"real_probability +float32\[batch, 1\]", text)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nowhere", None, "does not exist"),
        ("nowhere@", None, "does not exist"),
        ("empty", "", "is neither a version of a model nor a repository that holds one"),
        ("broken.onnx", b"\xff" * 100, r"cannot be read as ONNX"),
        ("blank.onnx", b"", "is no ONNX model: it has no outputs"),
    ],
)
def test_what_is_no_model_is_named(
    name: str, content: bytes | str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        (tmp_path / name).mkdir()
    assert command.main(["--inspect", str(tmp_path / name)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert str(tmp_path / name) in error


def test_either_a_run_or_something_to_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["run", "--inspect", "models"]):
        with pytest.raises(SystemExit) as exit_code:
            command.main(arguments)
        assert exit_code.value.code == 2


def test_inspecting_imports_no_torch() -> None:
    code = "import sys, export.command; export.command.main(['--inspect', 'models']); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"
