"""A model of a repository, loaded as its `config.pbtxt` and the server's settings say."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from protos.inference import inference_pb2 as pb
from serving.engine.device import DeviceError
from serving.engine.observer import Observer
from serving.engine.served_model import Limits, ServedModel
from serving.engine.signature import Tensor
from serving.models.datatypes import CONFIGURED
from serving.repository.model_config import ModelConfig, RepositoryError
from serving.settings import Settings

Observe = Callable[[str, int], Observer]
"""Makes the observer of a model, by its name and version."""
OptionalTensor = pb.ModelInput | pb.ModelOutput


def load_model(
    name: str,
    version: int,
    path: Path,
    config: ModelConfig,
    provider: str,
    threads: int,
    settings: Settings,
    observe: Observe,
) -> ServedModel:
    """A version of a model, within a running event loop.

    Args:
        name: The model's.
        version: Its number.
        path: Its file.
        config: What the repository says of it; an option of the command goes before it.
        provider: Where to run it.
        threads: Of one inference on the CPU.
        settings: The server's.
        observe: Who is told of its requests.

    Raises:
        RepositoryError: It cannot be served, or is not what its configuration says.
        DeviceError: It cannot be run there.
    """
    delay_s = config.max_delay_s if settings.max_delay_ms is None else settings.max_delay_ms / 1000
    limits = Limits(settings.max_batch_rows, settings.max_queue_rows, delay_s, config.max_batch_size)
    try:
        model = ServedModel(name, version, path, provider, threads, limits, observe(name, version))
    except DeviceError:
        raise
    except Exception as error:  # ONNX Runtime's classes have no narrower base
        raise RepositoryError(f"{path} cannot be loaded: {error}") from error
    for each in config.fields.input:
        if each.name not in model.inputs:
            raise RepositoryError(f"{config.path}: {path} has no input {each.name!r}, but {', '.join(model.inputs)}")
    # An output that this version does not have may be another's: one file speaks for all of them.
    _check("input", config.fields.input, model.inputs, model, config.path)
    _check("output", config.fields.output, model.outputs, model, config.path)
    return model


def _check(
    kind: str, configured: Iterable[OptionalTensor], tensors: dict[str, Tensor], model: ServedModel, path: Path
) -> None:
    """Raises RepositoryError where the file says something else of an input or output than the graph."""
    for each in configured:
        if (tensor := tensors.get(each.name)) is None:
            continue
        of_graph = CONFIGURED[tensor.dtype]
        if each.data_type not in (pb.TYPE_INVALID, of_graph):
            raise RepositoryError(
                f"{path}: {kind} {each.name!r} is {pb.DataType.Name(each.data_type)}, and of {model.path} "
                f"{pb.DataType.Name(of_graph)}"
            )
        shape = dims(tensor, model)
        if each.dims and not _agree(each.dims, shape):
            raise RepositoryError(
                f"{path}: {kind} {each.name!r} has the dims {list(each.dims)}, and of {model.path} {list(shape)}"
            )


def dims(tensor: Tensor, model: ServedModel) -> tuple[int, ...]:
    """A tensor's sizes as a configuration has them: without the batch."""
    return tensor.shape[1:] if model.max_request_rows else tensor.shape


def _agree(one: Sequence[int], other: Sequence[int]) -> bool:
    return len(one) == len(other) and all(-1 in pair or len({*pair}) == 1 for pair in zip(one, other, strict=True))
