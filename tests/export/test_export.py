"""The exporter on whole pairs: what it writes, and what it refuses to."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from digitforge.machine.onnx_runtime import onnxruntime
from export import command
from export.errors import VerificationError
from export.export_run import export
from export.graphs import NotFiniteError, build_graphs
from export.metadata import KEYS
from export.repository import RepositoryError, add_version
from export.signature import Tensors, discriminator_tensors, generator_tensors, tensors_of
from training.checkpoint import Checkpoint, save_checkpoint
from training.config import PRESETS

RunOf = Callable[..., Checkpoint]
SIGNATURE = {"generator": generator_tensors(50, 10), "discriminator": discriminator_tensors(10)}


def properties(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_both_models_of_a_version_describe_the_same_run(model_repository: Path) -> None:
    for version in (1, 2):
        generator, discriminator = (
            properties(model_repository / model / str(version) / "model.onnx")
            for model in ("generator", "discriminator")
        )
        assert set(generator) == set(discriminator) == KEYS
        assert generator["digitforge.run_id"] == discriminator["digitforge.run_id"] == f"untrained-{version}"
        assert (generator["digitforge.role"], discriminator["digitforge.role"]) == ("generator", "discriminator")
        config = PRESETS["default"].with_options({"dataset": "mnist"})
        assert json.loads(generator["digitforge.config"]) == config.model_dump(mode="json")
        assert generator["digitforge.config_hash"] == config.digest()
        assert json.loads(generator["digitforge.quality"])["auroc"] == 0.9


def test_the_keys_are_the_documented_ones() -> None:
    text = (Path(__file__).parents[2] / "docs/model-metadata.md").read_text().split("## Quality")[0]
    documented = {f"digitforge.{line.split('`')[1]}" for line in text.splitlines() if line.startswith("| `")}
    assert documented == KEYS


def test_a_model_names_no_path_of_the_machine_that_exported_it(model_repository: Path) -> None:
    here = str(Path(__file__).parents[2]).encode()
    for path in model_repository.glob("*/*/model.onnx"):
        assert here not in path.read_bytes()


def test_a_model_is_one_file_with_a_symbolic_batch(model_repository: Path) -> None:
    assert {path.name for path in (model_repository / "generator/1").iterdir()} == {"model.onnx", "MODEL_CARD.md"}
    assert {path.name for path in (model_repository / "discriminator/1").iterdir()} == {"model.onnx"}
    for model, signature in SIGNATURE.items():
        assert tensors_of(onnx.load(model_repository / model / "1/model.onnx")) == signature


def test_the_articles_model_has_no_digit_and_no_batch_norm(classless_repository: Path) -> None:
    for model in ("generator", "discriminator"):
        graph = onnx.load(classless_repository / model / "1/model.onnx").graph
        assert "digit" not in {value.name for value in graph.input}
        assert "BatchNormalization" not in {node.op_type for node in graph.node}


def test_the_articles_pixels_are_the_inverse_of_its_normalize(run_of: RunOf) -> None:
    """tanh reaches 1, which Normalize(0.1, 0.5) maps from 0.6: the article's white is a grey of 153."""
    generator, discriminator = build_graphs(run_of(PRESETS["article"]))
    bias = generator.generator.state_dict()["rest.10.bias"]
    bias.fill_(100)
    assert generator(torch.zeros(1, 50)).unique().tolist() == [153]
    bias.fill_(-100)
    assert generator(torch.zeros(1, 50)).unique().tolist() == [0]
    white = torch.full((1, 28, 28), 255, dtype=torch.uint8)
    torch.testing.assert_close(discriminator(white)[0], discriminator.discriminator(torch.full((1, 784), 1.8)))


def test_the_probability_is_the_sigmoid_of_the_logit(model_repository: Path) -> None:
    session = onnxruntime.InferenceSession(model_repository / "discriminator/1/model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (9, 28, 28), np.uint8)
    logit, probability = session.run(["logit", "real_probability"], {"images": images})
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logit)), rtol=1e-6)


def test_another_signature_is_refused_and_changes_nothing(run_of: RunOf, classless_repository: Path) -> None:
    before = sorted(classless_repository.rglob("*"))
    with pytest.raises(RepositoryError, match="share one signature"):
        export(run_of(PRESETS["default"]), classless_repository)
    assert sorted(classless_repository.rglob("*")) == before


def numbers(repository: Path, model: str) -> list[str]:
    return sorted(path.name for path in (repository / model).iterdir() if path.is_dir())


def write_empty_version(folders: Mapping[str, Path]) -> None:
    """Models of the right signature without a node: enough for what is about folders."""
    for model, folder in folders.items():
        write_empty_onnx(folder / "model.onnx", model)


def write_empty_onnx(path: Path, model: str) -> None:
    """A graph of the right signature without a node."""
    types = {"float32": onnx.TensorProto.FLOAT, "uint8": onnx.TensorProto.UINT8, "int64": onnx.TensorProto.INT64}
    inputs, outputs = (
        [onnx.helper.make_tensor_value_info(name, types[dtype], shape) for name, (dtype, shape) in tensors.items()]
        for tensors in (SIGNATURE[model].inputs, SIGNATURE[model].outputs)
    )
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], model, inputs, outputs)), path)


@pytest.mark.parametrize(
    ("model", "other"),
    [
        ("generator", generator_tensors(64, 10)),
        ("generator", generator_tensors(50, 0)),
        ("generator", replace(SIGNATURE["generator"], outputs={"images": ("float32", ("batch", 28, 28))})),
        ("discriminator", replace(SIGNATURE["discriminator"], inputs={"images": ("uint8", ("batch", 32, 32))})),
        ("discriminator", replace(SIGNATURE["discriminator"], outputs={"logit": ("float32", ("batch", 1))})),
        ("discriminator", discriminator_tensors(0)),
    ],
)
def test_either_model_of_another_signature_is_refused_before_anything_is_written(
    model: str, other: Tensors, tmp_path: Path
) -> None:
    add_version(tmp_path, SIGNATURE, write_empty_version)
    with pytest.raises(RepositoryError, match=rf"share one signature: .*{model}/1/model\.onnx has .*, this run has "):
        add_version(tmp_path, SIGNATURE | {model: other}, lambda _: pytest.fail("it was written"))


def test_versions_count_up_and_none_is_overwritten(tmp_path: Path) -> None:
    assert [add_version(tmp_path, SIGNATURE, write_empty_version) for _ in range(3)] == [1, 2, 3]
    assert numbers(tmp_path, "generator") == numbers(tmp_path, "discriminator") == ["1", "2", "3"]


def test_a_half_written_version_is_passed_over(tmp_path: Path) -> None:
    add_version(tmp_path, SIGNATURE, write_empty_version)
    (tmp_path / "discriminator/2").mkdir()  # an export that was killed before the generator followed
    write_empty_onnx(tmp_path / "discriminator/2/model.onnx", "discriminator")
    assert add_version(tmp_path, SIGNATURE, write_empty_version) == 3
    assert numbers(tmp_path, "generator") == ["1", "3"]
    (tmp_path / "discriminator/10").mkdir()
    assert add_version(tmp_path, SIGNATURE, write_empty_version) == 11


def test_a_number_that_no_message_can_name_is_neither_followed_nor_given(tmp_path: Path) -> None:
    for beyond in ("4294967296", "9" * 20):
        (tmp_path / "generator" / beyond).mkdir(parents=True)
    assert add_version(tmp_path, SIGNATURE, write_empty_version) == 1
    (tmp_path / "generator/4294967295").mkdir()
    with pytest.raises(RepositoryError, match=r"has a version 4294967295, and no number can follow it"):
        add_version(tmp_path, SIGNATURE, write_empty_version)


@pytest.mark.parametrize("versions", [0, 1])
def test_a_version_that_fails_leaves_the_repository_as_it_was(versions: int, tmp_path: Path) -> None:
    for _ in range(versions):
        add_version(tmp_path, SIGNATURE, write_empty_version)
    before = sorted({*tmp_path.rglob("*"), tmp_path / ".lock"})

    def write(folders: Mapping[str, Path]) -> None:
        write_empty_version(folders)
        raise VerificationError("no")

    with pytest.raises(VerificationError):
        add_version(tmp_path, SIGNATURE, write)
    assert sorted(tmp_path.rglob("*")) == before


def test_two_exports_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.repository.LOCK_PATIENCE_S", 0)

    def write_within_another(folders: Mapping[str, Path]) -> None:
        with pytest.raises(RepositoryError, match="is locked by another export"):
            add_version(tmp_path, SIGNATURE, write_empty_version)
        write_empty_version(folders)

    assert add_version(tmp_path, SIGNATURE, write_within_another) == 1
    assert numbers(tmp_path, "generator") == ["1"]


def test_a_damaged_version_is_named(tmp_path: Path) -> None:
    add_version(tmp_path, SIGNATURE, write_empty_version)
    (tmp_path / "discriminator/1/model.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(RepositoryError, match=r"discriminator/1/model\.onnx cannot be read"):
        add_version(tmp_path, SIGNATURE, write_empty_version)


def test_weights_that_are_no_numbers_are_refused(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(PRESETS["default"])
    assert run.generator is not None
    run.generator["rest.1.bias"][3] = float("nan")
    with pytest.raises(NotFiniteError, match=r"generator of run untrained .*rest\.1\.bias"):
        export(run, tmp_path)
    assert list(tmp_path.glob("*/1")) == []


def test_what_a_killed_export_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "generator/.exporting-dead/1").mkdir(parents=True)
    add_version(tmp_path, SIGNATURE, write_empty_version)
    assert list(tmp_path.rglob(".exporting-*")) == []


def test_no_folder_of_the_repository_is_ever_anything_but_a_model(tmp_path: Path) -> None:
    """Triton takes every folder there for a model, what a killed export left too, and refuses to start."""

    def write(folders: Mapping[str, Path]) -> None:
        write_empty_version(folders)
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"generator", "discriminator"}

    add_version(tmp_path, SIGNATURE, write)


def test_a_tuned_config_stays(tmp_path: Path) -> None:
    add_version(tmp_path, SIGNATURE, write_empty_version)
    (tmp_path / "generator/config.pbtxt").write_text("tuned")
    add_version(tmp_path, SIGNATURE, write_empty_version)
    assert (tmp_path / "generator/config.pbtxt").read_text() == "tuned"


def test_a_config_of_versions_that_are_gone_is_replaced(tmp_path: Path) -> None:
    add_version(tmp_path, SIGNATURE, write_empty_version)
    as_written = (tmp_path / "generator/config.pbtxt").read_text()
    (tmp_path / "generator/config.pbtxt").write_text("of another signature")
    for model in ("generator", "discriminator"):
        shutil.rmtree(tmp_path / model / "1")
    assert add_version(tmp_path, SIGNATURE, write_empty_version) == 1
    assert (tmp_path / "generator/config.pbtxt").read_text() == as_written


def test_the_command_exports_a_finished_run(run_of: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    save_checkpoint(run_of(PRESETS["default"]), tmp_path / "run")
    assert command.main([str(tmp_path / "run"), "--model-repository", str(tmp_path / "models")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"exported run as version 1 of {tmp_path / 'models'}"
    assert any("quality was not compared: the run keeps no real digits" in line for line in said)


def test_a_run_that_is_there_already_is_exported_again_and_the_command_says_so(
    run_of: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "models"
    small = PRESETS["article"].with_options({"generator_hidden": (16, 32), "discriminator_hidden": (32, 16)})
    for version, name in enumerate(("one", "other", "one", "one"), start=1):
        (tmp_path / name).mkdir(exist_ok=True)
        save_checkpoint(run_of(small, name), tmp_path / name)
        assert command.main([str(tmp_path / name), "--model-repository", str(repository)]) == 0
        said = capsys.readouterr().out
        assert f"exported {name} as version {version} of" in said
        assert ("already" in said) == (version > 2)
    assert f"{repository} has run one already, as version 1, 3; this is another version of it" in said


def test_an_unfinished_run_is_refused_with_the_way_to_finish_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(Checkpoint(PRESETS["default"], "half", "none", images_seen=1234), tmp_path)
    assert command.main([str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "is not finished (1,234 images so far)" in error
    assert f"--resume --out {tmp_path}" in error


def test_a_repository_that_cannot_be_made_is_told_in_a_line(
    run_of: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(run_of(PRESETS["article"]), tmp_path)
    (tmp_path / "file").touch()
    assert command.main([str(tmp_path), "--model-repository", str(tmp_path / "file/models")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("digitforge-export: ")
    assert "file/models" in line


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path)]) == 1
    assert "is no run" in capsys.readouterr().err


@pytest.mark.parametrize("repository", ["model_repository", "classless_repository"])
def test_the_card_beside_the_generator_says_how_to_run_it(
    repository: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(request.getfixturevalue(repository) / "generator" / "1")
    card = Path("MODEL_CARD.md").read_text(encoding="utf-8")
    assert "run `untrained" in card
    assert ("`digit_probabilities` float32[batch, 10]" in card) == (repository == "model_repository")
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    assert names["images"].shape == (10, 28, 28)
    assert names["images"].dtype == np.uint8
