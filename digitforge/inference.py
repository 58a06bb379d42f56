"""Any model that a server has, by the Open Inference Protocol: NumPy in, NumPy out. No call is made here.

It is loaded with the first call: Triton's client has messages of the same names, and no process can load both.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitforge.tensors import DATATYPES, DTYPES, pack, unpack
from protos.inference import inference_pb2 as pb
from protos.inference.inference_pb2_grpc import GRPCInferenceServiceStub as Stub

__all__ = ["Stub", "arrays_of", "request_of"]


def request_of(
    model: str, inputs: Mapping[str, ArrayLike], outputs: Sequence[str], version: int
) -> pb.ModelInferRequest:
    """What asks a model for outputs; see `Client.infer`.

    Raises:
        TypeError: An input is of a type that the protocol does not have.
    """
    request = pb.ModelInferRequest(model_name=model, model_version=str(version or ""))
    for name, values in inputs.items():
        array = np.asarray(values)
        if array.dtype.kind in "OSU":
            datatype, raw = "BYTES", pack(_texts(name, array))
        elif (datatype := DATATYPES.get(array.dtype.newbyteorder("="), "")) != "":
            raw = array.astype(DTYPES[datatype], copy=False).tobytes()
        else:
            raise TypeError(f"input {name!r} is {array.dtype}; what can be sent are {', '.join(DTYPES)}")
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(raw)
    for name in outputs:
        request.outputs.add(name=name)
    return request


def arrays_of(response: pb.ModelInferResponse) -> dict[str, NDArray[Any]]:
    """The outputs of an answer, by their names and in its order; they can be written to."""
    found: dict[str, NDArray[Any]] = {}
    for tensor, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        if tensor.datatype == "BYTES":
            array = np.array(unpack(raw), object)
        else:
            array = np.frombuffer(bytearray(raw), DTYPES[tensor.datatype])
        found[tensor.name] = array.reshape(tuple(tensor.shape))
    return found


def _texts(name: str, array: NDArray[Any]) -> Iterator[bytes]:
    for element in array.flat:
        if not isinstance(element, str | bytes):
            raise TypeError(f"input {name!r} has the element {element!r}; BYTES are of str or bytes")
        yield element.encode() if isinstance(element, str) else element
