"""What goes into a model and what comes out of it: the model repository's contract, and how to read it off a file."""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

BATCH_DIMENSION = "batch"
Shape = tuple[str | int, ...]


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


def discriminator_tensors(classes: int) -> Tensors:
    """What the model repository's contract says of a discriminator.

    Args:
        classes: That it tells apart; 0: it tells none, nor whether an image shows one digit.
    """
    number: tuple[str, Shape] = ("float32", (BATCH_DIMENSION, 1))
    outputs = {"logit": number, "real_probability": number}
    if classes:
        outputs["digit_probabilities"] = ("float32", (BATCH_DIMENSION, classes))
        outputs["one_digit_probability"] = number
    return Tensors({"images": ("uint8", (BATCH_DIMENSION, 28, 28))}, outputs)


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
