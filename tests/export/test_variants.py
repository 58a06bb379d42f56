"""Variants, and the quality that every exported pair is held to: real digits from scikit-learn, no mocks."""

import dataclasses
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from evaluation.reference import NAME as REFERENCE
from evaluation.reference import FullReference
from export import command
from export.errors import VerificationError
from export.export_run import export
from export.graphs import build_graphs
from export.int8 import to_int8
from export.metadata import KEYS
from export.on_cpu import open_session
from export.pair_quality import SEED, Trial, check_quality, onnx_quality, pytorch_quality
from export.repository import MODEL_FILE
from export.signature import tensors_of
from export.variants import VARIANTS, variant_file, write_variant
from tests.conftest import untrained_run
from training.checkpoint import Checkpoint, save_checkpoint
from training.config import PRESETS
from training.data import DataSet
from training.measure import SEED as RUN_SEED

RunOf = Callable[..., Checkpoint]
MODELS = ("generator", "discriminator")


@pytest.fixture(scope="module")
def reference(small_digits: DataSet) -> FullReference:
    test, fit = small_digits.test, small_digits.fit
    return FullReference.of(small_digits.name, test.images, test.labels, fit.images)


@pytest.fixture(scope="module")
def exported(reference: FullReference, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, Path]:
    """An untrained run of the default architecture with both variants, by the command."""
    folder = tmp_path_factory.mktemp("variants")
    (folder / "run").mkdir()
    torch.manual_seed(2)
    run = untrained_run(PRESETS["default"].with_options({"dataset": "sklearn-digits"}))
    save_checkpoint(run, folder / "run")
    reference.save(folder / "run" / REFERENCE)
    options = ["--model-repository", str(folder / "models"), "--variants", "fp16,int8"]
    assert command.main([str(folder / "run"), *options]) == 0
    return run, folder / "models"


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("model", MODELS)
def test_a_variant_lies_beside_the_model_and_says_what_it_is_worth(
    exported: tuple[Checkpoint, Path], reference: FullReference, model: str, name: str
) -> None:
    _, repository = exported
    fp32, variant = (repository / model / "1" / file for file in (MODEL_FILE, variant_file(name)))
    about, own = metadata(fp32), metadata(variant)
    assert set(own) == KEYS
    assert (about["digitforge.variant"], own["digitforge.variant"]) == ("fp32", name)
    assert own["digitforge.run_id"] == about["digitforge.run_id"]
    trial = Trial.of(50, 10, reference)
    measured = onnx_quality(trial, *(repository / model / "1" / variant_file(name) for model in MODELS))
    quality = json.loads(own["digitforge.quality"])
    assert quality == pytest.approx(measured, rel=1e-5)
    assert quality["frechet_distance"] != json.loads(about["digitforge.quality"])["frechet_distance"]
    assert tensors_of(onnx.load(variant)) == tensors_of(onnx.load(fp32))
    assert variant.stat().st_size < 0.6 * fp32.stat().st_size


@pytest.mark.parametrize("model", MODELS)
def test_int8_is_static_with_a_scale_for_each_channel(exported: tuple[Checkpoint, Path], model: str) -> None:
    graph = onnx.load(exported[1] / model / "1" / variant_file("int8")).graph
    operators = {node.op_type for node in graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    assert not {name for name in operators if name.startswith("Dynamic")}
    scales = [tensor for tensor in graph.initializer if tensor.name.endswith("_scale")]
    assert any(np.prod(tensor.dims) > 1 for tensor in scales)


@pytest.mark.parametrize("model", MODELS)
def test_no_two_products_of_int8_exceed_sixteen_bits(exported: tuple[Checkpoint, Path], model: str) -> None:
    """x86 without VNNI adds two products in a signed 16-bit number, and cuts off what does not fit."""
    graph = onnx.load(exported[1] / model / "1" / variant_file("int8")).graph
    weights = [tensor for tensor in graph.initializer if tensor.name.endswith(".weight_quantized")]
    assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.INT8}
    largest = max(np.abs(onnx.numpy_helper.to_array(tensor).astype(int)).max() for tensor in weights)
    assert 2 * np.iinfo(np.uint8).max * largest <= np.iinfo(np.int16).max


def quantised(model: onnx.ModelProto) -> list[str]:
    """Names of the layers whose weights are integers."""
    end = ".weight_quantized"
    return [tensor.name.removesuffix(end) for tensor in model.graph.initializer if tensor.name.endswith(end)]


def test_int8_takes_the_last_product_too_but_not_that_of_latents_or_of_a_logit(run_of: RunOf, tmp_path: Path) -> None:
    export(run_of(PRESETS["article"].with_options({"dataset": "sklearn-digits"})), tmp_path)
    rng = np.random.default_rng(0)
    rows = {
        "generator": {"z": rng.standard_normal((100, 50), np.float32)},
        "discriminator": {"images": rng.integers(0, 256, (100, 28, 28), np.uint8)},
    }
    layers = {model: quantised(to_int8(onnx.load(tmp_path / model / "1" / MODEL_FILE), rows[model])) for model in rows}
    assert layers["generator"] == [f"generator.rest.{index}" for index in (1, 4, 7, 10)]
    assert layers["discriminator"] == ["discriminator.features.0", "discriminator.features.3"]


def test_half_precision_leaves_the_pixels_in_float32(exported: tuple[Checkpoint, Path]) -> None:
    """Between the last layer and the pixels there is one cast, to float32."""
    graph = onnx.load(exported[1] / "generator/1" / variant_file("fp16")).graph
    operators = [node.op_type for node in graph.node]
    after = operators[len(operators) - operators[::-1].index("ConvTranspose") :]
    assert after == ["Cast", "Reshape", "Tanh", "Mul", "Add", "Mul", "Clip", "Round", "Cast", "Reshape"]


def test_the_latents_are_those_that_a_run_is_measured_with() -> None:
    assert SEED == RUN_SEED


def test_the_files_are_worth_what_the_pytorch_pair_is(
    exported: tuple[Checkpoint, Path], reference: FullReference
) -> None:
    run, repository = exported
    trial = Trial.of(50, 10, reference)
    truth = pytorch_quality(trial, *build_graphs(run))
    found = onnx_quality(trial, *(repository / model / "1" / MODEL_FILE for model in MODELS))
    assert found == pytest.approx(truth, rel=0.01)
    check_quality("pair", found, truth, 0.01, 0.01)


def test_a_pair_that_is_worth_less_is_refused_with_both_figures(
    exported: tuple[Checkpoint, Path], reference: FullReference
) -> None:
    """A detector that says the opposite in the place of the pair's own: a valid file, and the wrong one."""
    run, repository = exported
    trial = Trial.of(50, 10, reference)
    assert run.discriminator is not None
    opposite = {name: -weight if name.startswith("logit.") else weight for name, weight in run.discriminator.items()}
    other = dataclasses.replace(run, discriminator=opposite)
    truth = pytorch_quality(trial, build_graphs(run)[0], build_graphs(other)[1])
    found = onnx_quality(trial, *(repository / model / "1" / MODEL_FILE for model in MODELS))
    with pytest.raises(VerificationError, match=r"the pair: auroc is [\d.]+ against [\d.]+, .* apart; at most"):
        check_quality("the pair", found, truth, 0.01, 0.01)


@pytest.mark.parametrize(("name", "value"), [("frechet_distance", 1.021), ("frechet_distance", 0.979), ("auroc", 0.88)])
def test_quality_has_bounds_on_both_sides(name: str, value: float) -> None:
    expected = {"frechet_distance": 1.0, "auroc": 0.9}
    check_quality("int8", {"frechet_distance": 1.019, "auroc": 0.908}, expected, 0.02, 0.01)
    for wrong in (value, float("nan")):
        with pytest.raises(VerificationError, match=f"int8: {name} is .* against"):
            check_quality("int8", expected | {name: wrong}, expected, 0.02, 0.01)


def write_spoiled(
    exported: tuple[Checkpoint, Path],
    reference: FullReference,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[onnx.ModelProto, object], onnx.ModelProto],
) -> None:
    """Write a variant of an exported pair by a conversion that is no good, and leave none."""
    run, repository = exported
    folders = {model: repository / model / "1" for model in MODELS}
    signature = {model: tensors_of(onnx.load(folder / MODEL_FILE)) for model, folder in folders.items()}
    trial = Trial.of(run.config.latent_size, run.config.classes, reference)
    expected = onnx_quality(trial, *(folders[model] / MODEL_FILE for model in MODELS))
    monkeypatch.setitem(VARIANTS, "spoiled", type(VARIANTS["int8"])(spoil, 0.02, 0.01, 1.0))
    try:
        write_variant("spoiled", folders, signature, trial, expected)
    finally:
        for folder in folders.values():
            (folder / variant_file("spoiled")).unlink()


def test_a_variant_out_of_its_bounds_is_refused_with_the_figures(
    exported: tuple[Checkpoint, Path], reference: FullReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion that spoils the last layer."""

    def spoil(model: onnx.ModelProto, _: object) -> onnx.ModelProto:
        for tensor in model.graph.initializer:
            if tensor.name.endswith(".8.bias"):
                array = onnx.numpy_helper.to_array(tensor) + np.float32(0.5)
                tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
        return model

    with pytest.raises(VerificationError, match=r"model\.spoiled\.onnx beside model\.onnx: frechet_distance is"):
        write_spoiled(exported, reference, monkeypatch, spoil)


@pytest.mark.parametrize("head", ["digit_logits", "one_digit_logit"])
def test_a_variant_whose_heads_say_something_else_is_refused(
    exported: tuple[Checkpoint, Path], reference: FullReference, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No figure of quality knows of them."""

    def spoil(model: onnx.ModelProto, _: object) -> onnx.ModelProto:
        for tensor in model.graph.initializer:
            if tensor.name.endswith(f"{head}.bias"):
                array = onnx.numpy_helper.to_array(tensor).copy()
                array[0] += np.float32(0.5)
                tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
        return model

    output = {"digit_logits": "digit_probabilities", "one_digit_logit": "one_digit_probability"}[head]
    with pytest.raises(VerificationError, match=rf"{output} is off by 0\.\d+ on average; at most 0\.005 is"):
        write_spoiled(exported, reference, monkeypatch, spoil)


def test_a_variant_needs_real_digits_to_be_measured_with(run_of: RunOf, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match=r"int8 must carry a quality of their own.*reference\.npz"):
        export(run_of(PRESETS["default"]), tmp_path / "models", tmp_path, ("int8",))
    assert not (tmp_path / "models").exists()


def test_the_command_for_another_repository_asks_for_the_same_variants(
    exported: tuple[Checkpoint, Path], classless_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = exported[1].with_name("run")
    options = ["--model-repository", str(classless_repository), "--variants", "fp16,int8"]
    assert command.main([str(run), *options]) == 1
    told = capsys.readouterr().err.partition("start another repository with: ")[2]
    options[1] += "-2"
    assert shlex.split(told) == ["digitforge-export", str(run), *options]


def test_a_variant_that_is_not_known_is_a_wrong_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_code:
        command.main(["run", "--variants", "fp16,int4"])
    assert exit_code.value.code == 2
    assert "int4 is none of fp16, int8" in capsys.readouterr().err
    assert tuple(VARIANTS) == command.VARIANTS


def test_a_variant_makes_images_and_scores(exported: tuple[Checkpoint, Path]) -> None:
    inputs = {"z": np.zeros((2, 50), np.float32), "digit": np.array([[3], [4]])}
    for name in VARIANTS:
        generator, discriminator = (open_session(exported[1] / model / "1" / variant_file(name)) for model in MODELS)
        (images,) = generator.run(["images"], inputs)
        logit, probability = discriminator.run(["logit", "real_probability"], {"images": images})
        np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logit)), rtol=1e-5)
