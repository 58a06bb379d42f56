"""Tensors of the Open Inference Protocol to NumPy's arrays and back."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from digitforge.tensors import DATATYPES, DTYPES, pack, unpack
from protos.inference import inference_pb2 as pb
from serving.engine.fair_queue import Rows
from serving.engine.served_model import ServedModel
from serving.errors import InvalidArgumentError

# Parameters of tensors that would change what is asked, and are of extensions that are not served.
UNSERVED = frozenset(("classification", "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size"))
CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def inputs_of(request: pb.ModelInferRequest, model: ServedModel) -> dict[str, np.ndarray]:
    """A request's inputs by their names, of the model's types and of the shapes that they say they have.

    Raises:
        InvalidArgumentError: One is twice there, of another type, or not what it says.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidArgumentError("raw_input_contents", f"has {len(raw)} elements for {len(request.inputs)} inputs")
    arrays: dict[str, np.ndarray] = {}
    for place, tensor in enumerate(request.inputs):
        name = tensor.name
        if name in arrays:
            raise _refused(name, "is there twice")
        if (dtype := DTYPES.get(tensor.datatype)) is None:
            raise _refused(name, f"has the datatype {tensor.datatype!r}; known are {', '.join(DTYPES)}")
        if (wanted := model.inputs.get(name)) is not None and wanted.dtype != dtype:
            raise _refused(name, f"has the datatype {tensor.datatype}, and the model takes {DATATYPES[wanted.dtype]}")
        shape = tuple(tensor.shape)
        if any(size < 0 for size in shape):
            raise _refused(name, f"has the shape {list(shape)}; no size can be negative")
        if tensor.parameters:
            check_parameters(f"input {name!r}", tensor.parameters)
        if raw:
            if tensor.HasField("contents"):
                raise _refused(name, "has contents, beside those in raw_input_contents")
            arrays[name] = _from_raw(raw[place], name, dtype, shape)
        else:
            arrays[name] = _from_contents(tensor, dtype, shape)
    return arrays


def outputs_asked(request: pb.ModelInferRequest, model: ServedModel) -> Sequence[str]:
    """The names of the outputs that a request asks for, in its order; all where it asks for none.

    Raises:
        InvalidArgumentError: There is none of this name, or it is asked for twice or in a way that is not served.
    """
    if not request.outputs:
        return list(model.outputs)
    names = []
    for output in request.outputs:
        if output.name not in model.outputs:
            raise InvalidArgumentError(
                "outputs",
                f"{output.name!r} is no output of model {model.name!r}; it has {', '.join(map(repr, model.outputs))}",
            )
        if output.name in names:
            raise InvalidArgumentError("outputs", f"{output.name!r} is asked for twice")
        if output.parameters:
            check_parameters(f"output {output.name!r}", output.parameters)
        names.append(output.name)
    return names


def check_parameters(of: str, parameters: Mapping[str, Any]) -> None:
    """Raises InvalidArgumentError for a parameter of an extension that is not served."""
    if unserved := sorted(UNSERVED & set(parameters)):
        raise InvalidArgumentError("parameters", f"{unserved[0]} of {of}: no such extension is served")


def response_of(request: pb.ModelInferRequest, model: ServedModel, names: Sequence[str], arrays: Rows) -> Any:
    """The answer with these outputs, in this order."""
    return pb.ModelInferResponse(
        model_name=model.name,
        model_version=str(model.version),
        id=request.id,
        outputs=[
            pb.ModelInferResponse.InferOutputTensor(
                name=name, datatype=DATATYPES[model.outputs[name].dtype], shape=arrays[name].shape
            )
            for name in names
        ],
        raw_output_contents=[_to_raw(arrays[name]) for name in names],
    )


def _refused(name: str, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError("inputs", f"{name!r} {problem}")


def _from_raw(data: bytes, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    if dtype == np.object_:
        try:
            elements = unpack(data)
        except ValueError as error:
            raise _refused(name, str(error)) from error
        return _texts(elements, name, shape)
    if len(data) != (expected := prod(shape) * dtype.itemsize):
        raise _refused(name, f"has {len(data)} bytes; {expected} are {DATATYPES[dtype]}{list(shape)}")
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.view(np.uint8) != 0 if dtype == np.bool_ else array  # any byte may come


def _texts(elements: Sequence[bytes], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if len(elements) != prod(shape):
        raise _refused(name, f"has {len(elements)} elements; {prod(shape)} are BYTES{list(shape)}")
    texts = np.empty(len(elements), object)
    for place, element in enumerate(elements):
        try:
            texts[place] = element.decode()
        except UnicodeDecodeError as error:
            raise _refused(name, f"has in its element {place} no UTF-8, which ONNX Runtime asks for") from error
    return texts.reshape(shape)


def _from_contents(tensor: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    name = tensor.name
    if (field := CONTENTS.get(tensor.datatype)) is None:
        raise _refused(name, f"is {tensor.datatype}, which goes by raw_input_contents alone")
    if others := [each.name for each, _ in tensor.contents.ListFields() if each.name != field]:
        raise _refused(name, f"has {others[0]}; {tensor.datatype} goes into {field}")
    values = getattr(tensor.contents, field)
    if dtype == np.object_:
        return _texts(values, name, shape)
    if len(values) != prod(shape):
        raise _refused(name, f"has {len(values)} elements; {prod(shape)} are {tensor.datatype}{list(shape)}")
    found = np.array(values, None if dtype.kind in "iu" and values else dtype)
    array = found.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(array, found):
        raise _refused(name, f"has elements that are no {tensor.datatype}")
    return array.reshape(shape)


def _to_raw(array: np.ndarray) -> bytes:
    if array.dtype != np.object_:
        return array.tobytes()
    return pack(str(element).encode() for element in array.flat)
