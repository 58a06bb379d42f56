"""A network as one ONNX file: the graph, with a symbolic batch dimension, and its metadata."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from export.signature import BATCH_DIMENSION

OPSET = 20
EXAMPLE_BATCH = 3  # 0 and 1 would be taken for constants


def write_onnx(
    graph: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str], metadata: Mapping[str, str], path: Path
) -> None:
    """Trace a graph and write it.

    Args:
        graph: In inference mode; its `forward` takes the inputs by position.
        inputs: Examples by name, with any batch of at least 2.
        outputs: The names of what it returns.
        metadata: For `metadata_props`.
        path: The file to write.
    """
    batch = torch.export.Dim(BATCH_DIMENSION)
    # The exporter tells its progress step by step, and warns of its own internals; failures are raised.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                graph,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=outputs,
                dynamic_shapes=tuple({0: batch} for _ in inputs),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:
            if _interrupted(error):
                raise KeyboardInterrupt from error
            raise
    assert program is not None
    model = program.model_proto
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")  # stack traces, with the paths of the machine that exported
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.save_model(model, path)


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is at the bottom of an error: the exporter takes it for a failed strategy and reports that."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False
