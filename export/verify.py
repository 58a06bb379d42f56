"""What an exported model must hold to before anybody can see it. Any failure is a `VerificationError` with figures."""

from collections.abc import Mapping
from pathlib import Path

import onnx
from torch import Tensor, nn

from export.batch_invariance import check_batch_invariance
from export.errors import VerificationError
from export.metadata import KEYS
from export.on_cpu import open_session
from export.onnx_model import OPSET
from export.parity import Pixels, check_parity
from export.signature import Tensors, tensors_of


def verify(path: Path, graph: nn.Module, expected: Tensors, inputs: Mapping[str, Tensor]) -> Pixels | None:
    """Check a file against the contract and against the PyTorch graph that it was made from.

    Args:
        path: The ONNX file.
        graph: In inference mode.
        expected: The signature of the contract.
        inputs: At least as many rows as the largest batch.

    Returns:
        How a generator's pixels differ from PyTorch's; None for a discriminator.

    Raises:
        VerificationError: With what was found, and where.
    """
    check_file(path, expected)
    pixels = check_parity(path, graph, inputs)
    rows = {name: tensor.numpy() for name, tensor in inputs.items()}
    check_batch_invariance(path, open_session(path), list(expected.outputs), rows)
    return pixels


def check_file(path: Path, expected: Tensors) -> None:
    """The file by itself: valid ONNX of the pinned opset, whole, of the contract's signature, and fully described.

    Raises:
        VerificationError: With what was found.
    """
    model = onnx.load(path, load_external_data=False)
    if outside := [
        tensor.name for tensor in model.graph.initializer if onnx.external_data_helper.uses_external_data(tensor)
    ]:
        raise VerificationError(f"{path} is not one file: it keeps {outside} elsewhere")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise VerificationError(f"{path} is not valid ONNX: {error}") from error
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets.get("") != OPSET:
        raise VerificationError(f"{path}: expected opset {OPSET}, found {opsets}")
    if (found := tensors_of(model)) != expected:
        raise VerificationError(f"{path}: expected {expected}, found {found}")
    keys = {entry.key for entry in model.metadata_props if entry.value}
    if missing := KEYS - keys:
        raise VerificationError(f"{path}: its metadata lacks {sorted(missing)}")
    if norms := [node.name for node in model.graph.node if node.op_type == "BatchNormalization"]:
        raise VerificationError(f"{path}: BatchNorm was not folded away: {norms}")
