"""Variants of a version: the same pair in another arithmetic, in files beside `model.onnx`, used only when asked for.

A variant is another function than the model: it has bounds of its own, and carries what it is worth by its own
measurement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.batch_invariance import check_batch_invariance
from export.errors import VerificationError
from export.half_precision import to_half_precision
from export.int8 import to_int8
from export.metadata import with_quality
from export.on_cpu import Rows, open_session, run_in_chunks, take
from export.pair_quality import Quality, Trial, check_quality, onnx_quality
from export.parity import Pixels
from export.repository import DISCRIMINATOR, GENERATOR, MODEL_FILE
from export.signature import Tensors
from export.verify import check_file

CALIBRATION_SEED = 1  # of the latents; not those that the quality is measured on
CALIBRATION_ROWS = 1000  # latents, and as many real and generated images
ROWS = 257  # of the trial's, for the checks of rows


@dataclass(frozen=True)
class Variant:
    """An arithmetic and what a pair in it must hold to.

    Attributes:
        convert: A model in float32, and calibration rows of its inputs, to the variant.
        frechet_share: How far its Fréchet distance may be from that of the float32 pair, in shares of it.
        auroc_share: The same of the AUROC.
        mean_levels: How many levels of 255 its pixels may be off on average.
        mean_probability: How far each of its detector's probabilities may be off on average.
    """

    convert: Callable[[onnx.ModelProto, Rows], onnx.ModelProto]
    frechet_share: float
    auroc_share: float
    mean_levels: float
    mean_probability: float = 0.005


VARIANTS = {
    "fp16": Variant(lambda model, _: to_half_precision(model), frechet_share=0.01, auroc_share=0.01, mean_levels=0.1),
    "int8": Variant(to_int8, frechet_share=0.02, auroc_share=0.01, mean_levels=1.0),
}


def variant_file(name: str) -> str:
    """The name of a variant's file, such as `model.int8.onnx`."""
    return f"model.{name}.onnx"


def write_variant(
    name: str, folders: Mapping[str, Path], signature: Mapping[str, Tensors], trial: Trial, expected: Quality
) -> str:
    """Write a variant beside each `model.onnx`, and verify it.

    Args:
        name: Of the variant.
        folders: By the model's name, with a verified `model.onnx` in each.
        signature: By the model's name.
        trial: What the pair's quality is measured on.
        expected: The quality of the float32 pair.

    Returns:
        What was found, in words.

    Raises:
        VerificationError: It does not hold to its bounds; the message has the figures.
    """
    variant = VARIANTS[name]
    calibration = calibration_rows(folders[GENERATOR] / MODEL_FILE, trial)
    files = {model: folder / variant_file(name) for model, folder in folders.items()}
    for model, path in files.items():
        onnx.save_model(variant.convert(onnx.load(folders[model] / MODEL_FILE), calibration[model]), path)

    quality = onnx_quality(trial, files[GENERATOR], files[DISCRIMINATOR])
    what = f"{variant_file(name)} beside {MODEL_FILE}"
    check_quality(what, quality, expected, variant.frechet_share, variant.auroc_share)
    rows = _latents(trial, slice(ROWS))
    images, variant_images = (
        run_in_chunks(open_session(path), ["images"], rows)[0]
        for path in (folders[GENERATOR] / MODEL_FILE, files[GENERATOR])
    )
    pixels = Pixels.between(variant_images, images)
    if pixels.mean > variant.mean_levels:
        raise VerificationError(f"{what}: {pixels}; at most {variant.mean_levels} on average is allowed")
    seen = {"images": np.concatenate([images, trial.reference.images[:ROWS].numpy()])}
    _check_probabilities(what, folders[DISCRIMINATOR] / MODEL_FILE, files[DISCRIMINATOR], seen, variant)
    for model, inputs in ((GENERATOR, rows), (DISCRIMINATOR, {"images": images})):
        described = onnx.load(files[model])
        onnx.helper.set_model_props(described, with_quality(described, name, quality))
        onnx.save_model(described, files[model])
        check_file(files[model], signature[model])
        check_batch_invariance(files[model], open_session(files[model]), list(signature[model].outputs), inputs)
    return (
        f"{name}: Fréchet distance {quality['frechet_distance']:.5g} (fp32: {expected['frechet_distance']:.5g}), "
        f"AUROC {quality['auroc']:.5g} ({expected['auroc']:.5g}); {pixels}"
    )


def _check_probabilities(what: str, fp32: Path, file: Path, rows: Rows, variant: Variant) -> None:
    """Of every output but the logit: what it says of a class, or of showing one digit, is in no figure of quality."""
    sessions = [open_session(path) for path in (file, fp32)]
    names = [node.name for node in sessions[0].get_outputs() if node.name != "logit"]
    for name, found, expected in zip(names, *(run_in_chunks(each, names, rows) for each in sessions), strict=True):
        shift = float(np.abs(found - expected).mean())
        if not shift <= variant.mean_probability:  # NaN is not
            raise VerificationError(
                f"{what}: {name} is off by {shift:.3g} on average; at most {variant.mean_probability} is allowed"
            )


def calibration_rows(generator: Path, trial: Trial) -> dict[str, dict[str, np.ndarray]]:
    """Rows of each model's inputs, of the kind that it will see: latents; generated digits, and training images."""
    latents = {
        "z": np.random.default_rng(CALIBRATION_SEED).standard_normal((CALIBRATION_ROWS, trial.z.shape[1]), np.float32)
    }
    if trial.digit is not None:
        latents["digit"] = np.resize(trial.digit.numpy(), (CALIBRATION_ROWS, 1))
    (generated,) = run_in_chunks(open_session(generator), ["images"], latents)
    real = trial.reference.training_images[:CALIBRATION_ROWS].numpy()
    return {GENERATOR: latents, DISCRIMINATOR: {"images": np.concatenate([generated, real])}}


def _latents(trial: Trial, which: slice) -> dict[str, np.ndarray]:
    rows = {"z": trial.z.numpy()}
    if trial.digit is not None:
        rows["digit"] = trial.digit.numpy()
    return take(rows, which)
