"""What an exported model must hold to before anybody can see it. Any failure is a `VerificationError` with figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from export.metadata import KEYS
from export.onnx_model import BATCH_DIMENSION

BATCHES = (1, 3, 64, 257)
# Of float outputs, in shares of the largest (at least 1): float32 rounds by the size of what is summed, not by that of
# the sum, so that a logit near 0 is as far off as one of 10.
TOLERANCE = 1e-5
LEVELS = 1  # of pixels: rounding may fall to either side of a half
Shape = tuple[str | int, ...]


class VerificationError(Exception):
    """An exported model is not what it should be."""


@dataclass(frozen=True)
class Tensors:
    """A signature: element types (`float32`, `uint8`, `int64`) and shapes by name; the batch dimension by its name."""

    inputs: Mapping[str, tuple[str, Shape]]
    outputs: Mapping[str, tuple[str, Shape]]


def generator_tensors(latent_size: int, classes: int) -> Tensors:
    """What the model repository's contract says of a generator."""
    inputs: dict[str, tuple[str, Shape]] = {"z": ("float32", (BATCH_DIMENSION, latent_size))}
    if classes:
        inputs["digit"] = ("int64", (BATCH_DIMENSION, 1))
    return Tensors(inputs, {"images": ("uint8", (BATCH_DIMENSION, 28, 28))})


def discriminator_tensors() -> Tensors:
    """What the model repository's contract says of a discriminator."""
    logit = ("float32", (BATCH_DIMENSION, 1))
    return Tensors({"images": ("uint8", (BATCH_DIMENSION, 28, 28))}, {"logit": logit, "real_probability": logit})


def tensors_of(model: onnx.ModelProto) -> Tensors:
    """The signature that a model has."""

    def read(values: list[onnx.ValueInfoProto]) -> dict[str, tuple[str, Shape]]:
        return {
            value.name: (
                onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,
                tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim),
            )
            for value in values
        }

    return Tensors(read(list(model.graph.input)), read(list(model.graph.output)))


def verify(path: Path, graph: nn.Module, expected: Tensors, inputs: Mapping[str, Tensor]) -> None:
    """Check a file against the contract and against the PyTorch graph that it was made from.

    Args:
        path: The ONNX file.
        graph: In inference mode.
        expected: The signature of the contract.
        inputs: At least as many rows as the largest batch.

    Raises:
        VerificationError: With what was found, and where.
    """
    model = onnx.load(path)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise VerificationError(f"{path} is not valid ONNX: {error}") from error
    if (found := tensors_of(model)) != expected:
        raise VerificationError(f"{path}: expected {expected}, found {found}")
    keys = {entry.key for entry in model.metadata_props if entry.value}
    if missing := KEYS - keys:
        raise VerificationError(f"{path}: its metadata lacks {sorted(missing)}")
    if norms := [node.name for node in model.graph.node if node.op_type == "BatchNormalization"]:
        raise VerificationError(f"{path}: BatchNorm was not folded away: {norms}")

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # as a server runs it by default: threads would cut the work by the batch
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    everything = {name: tensor[: max(BATCHES)].numpy() for name, tensor in inputs.items()}
    whole = session.run(None, everything)
    for batch in BATCHES:
        _compare(path, graph, session, {name: tensor[:batch] for name, tensor in inputs.items()})
        # A row must not depend on its neighbours: from the end, so that its place in the batch changes as well.
        part = session.run(None, {name: rows[-batch:] for name, rows in everything.items()})
        for name, rows, whole_rows in zip(expected.outputs, part, whole, strict=True):
            if not np.array_equal(rows, whole_rows[-batch:]):
                differing = int((rows != whole_rows[-batch:]).any(axis=tuple(range(1, rows.ndim))).sum())
                raise VerificationError(
                    f"{path}: {differing} of {batch} rows of {name} differ between a batch of {batch} and one of "
                    f"{max(BATCHES)}"
                )


@torch.no_grad()
def _compare(path: Path, graph: nn.Module, session: onnxruntime.InferenceSession, inputs: Mapping[str, Tensor]) -> None:
    """Outputs of both at the same inputs."""
    truth = graph(*inputs.values())
    truths = truth if isinstance(truth, tuple) else (truth,)
    names = [node.name for node in session.get_outputs()]
    answers = session.run(names, {name: tensor.numpy() for name, tensor in inputs.items()})
    for name, answer, true in zip(names, answers, truths, strict=True):
        difference = np.abs(answer.astype(np.float64) - true.numpy().astype(np.float64))
        limit = LEVELS if answer.dtype == np.uint8 else TOLERANCE * max(1.0, float(true.abs().max()))
        within = difference <= limit  # NaN is not
        if not within.all():
            raise VerificationError(
                f"{path}: {name} differs from PyTorch's by up to {difference.max():.3g} at a batch of {len(answer)}, "
                f"in {(~within).mean():.2%} of its values by more than {limit:.3g}"
            )
