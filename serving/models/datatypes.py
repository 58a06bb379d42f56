"""The types of tensors, as Triton's configuration calls them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from digitforge.tensors import DTYPES
from protos.inference import inference_pb2 as pb

CONFIGURED: Mapping[np.dtype[Any], Any] = {
    dtype: pb.DataType.Value("TYPE_STRING" if name == "BYTES" else f"TYPE_{name}") for name, dtype in DTYPES.items()
}
