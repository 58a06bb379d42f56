"""The types of tensors, as NumPy, the Open Inference Protocol and Triton's configuration call them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from protos.inference import inference_pb2 as pb

# NumPy has no FP16 but float16, and no numbers of 16 bits for BF16.
NAMES: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(kind)
    for name, kind in {
        "BOOL": np.bool_,
        "UINT8": np.uint8,
        "UINT16": np.uint16,
        "UINT32": np.uint32,
        "UINT64": np.uint64,
        "INT8": np.int8,
        "INT16": np.int16,
        "INT32": np.int32,
        "INT64": np.int64,
        "FP16": np.float16,
        "FP32": np.float32,
        "FP64": np.float64,
        "BYTES": np.object_,
    }.items()
}
NAME_OF: Mapping[np.dtype[Any], str] = {dtype: name for name, dtype in NAMES.items()}
CONFIGURED: Mapping[np.dtype[Any], Any] = {
    dtype: pb.DataType.Value("TYPE_STRING" if name == "BYTES" else f"TYPE_{name}") for name, dtype in NAMES.items()
}
