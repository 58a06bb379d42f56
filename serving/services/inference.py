"""The Open Inference Protocol, version 2, over gRPC: `inference.GRPCInferenceService`, the plain door to every model.

What Triton's extensions need more than is served is refused, and not advertised.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from importlib.metadata import version as package_version
from typing import Any

import grpc

from digitforge.tensors import DATATYPES
from protos.inference import inference_pb2 as pb
from serving.engine.fair_queue import ASKER
from serving.engine.served_model import ServedModel
from serving.engine.signature import Tensor
from serving.errors import InvalidArgumentError, NotFoundError, RefusedError, UnimplementedError
from serving.models.datatypes import CONFIGURED
from serving.models.loading import dims
from serving.models.model_table import ModelTable
from serving.repository.model_config import BACKEND, PLATFORM
from serving.services.call import Context, deadline, peer, refuse
from serving.services.in_order import in_order
from serving.services.tensors import inputs_of, outputs_asked, response_of
from serving.services.window import Window
from serving.telemetry.models import Figures

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
SERVICE = DESCRIPTOR.full_name
SERVER = "digitforge"
EXTENSIONS = ("model_configuration", "statistics")
READY, UNAVAILABLE = "READY", "UNAVAILABLE"
STREAM_WINDOW = 64  # requests of a ModelStreamInfer in work at a time ...
STREAM_BYTES = 16 << 20  # ... and of their bytes; one that is larger is in work alone
LONGEST = 20  # digits of a number
FINAL = "triton_final_response"  # of a stream's answer: no more comes to its request
SEQUENCES = frozenset(("sequence_id", "sequence_start", "sequence_end"))
BY_FOLDERS = "models come and go with their folders in the repository, which is read again at SIGHUP"
IN_MESSAGES = "tensors come in the messages alone"
# Of the published protocol, the calls that are not served, and what is instead.
UNSERVED = {
    "RepositoryModelLoad": BY_FOLDERS,
    "RepositoryModelUnload": BY_FOLDERS,
    **{
        f"{kind}SharedMemory{call}": IN_MESSAGES
        for kind in ("System", "Cuda")
        for call in ("Status", "Register", "Unregister")
    },
    "TraceSetting": "nothing is traced",
    "LogSettings": "what is logged is said by the server's own settings",
}
FiguresOf = Callable[[ServedModel], Figures]
"""What a model has done so far."""


class InferenceServicer:
    """The calls. Every refusal ends in `refuse`, or in ModelStreamInfer in its answer's `error_message`.

    Args:
        models: What can be asked.
        figures_of: What each has done so far.
    """

    def __init__(self, models: ModelTable, figures_of: FiguresOf) -> None:
        self._models = models
        self._figures_of = figures_of
        self._is_shutting_down = False

    def enter_graceful_shutdown(self) -> None:
        """Nothing is ready from now on."""
        self._is_shutting_down = True

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Context) -> pb.ServerLiveResponse:  # noqa: ARG002
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Context) -> pb.ServerReadyResponse:  # noqa: ARG002
        return pb.ServerReadyResponse(ready=not self._is_shutting_down)

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Context) -> pb.ModelReadyResponse:
        try:
            version = version_of(request.version)
            try:
                self._models.get(request.name, version)
            except NotFoundError:
                if not self._models.problems_of(request.name, version):
                    raise
                return pb.ModelReadyResponse(ready=False)
        except RefusedError as error:
            await refuse(context, error)
        return pb.ModelReadyResponse(ready=not self._is_shutting_down)

    async def ServerMetadata(self, request: pb.ServerMetadataRequest, context: Context) -> pb.ServerMetadataResponse:  # noqa: ARG002
        return pb.ServerMetadataResponse(name=SERVER, version=package_version(SERVER), extensions=EXTENSIONS)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Context) -> pb.ModelMetadataResponse:
        model = await self._find(request.name, request.version, context)

        def described(tensors: Iterable[Tensor]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
            return [
                pb.ModelMetadataResponse.TensorMetadata(
                    name=tensor.name, datatype=DATATYPES[tensor.dtype], shape=tensor.shape
                )
                for tensor in tensors
            ]

        return pb.ModelMetadataResponse(
            name=model.name,
            versions=map(str, self._models.versions(model.name)),
            platform=PLATFORM,
            inputs=described(model.inputs.values()),
            outputs=described(model.outputs.values()),
        )

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Context) -> pb.ModelInferResponse:
        ASKER.set(peer(context))
        try:
            return await self._infer(request, context)
        except RefusedError as error:
            await refuse(context, error)

    async def ModelStreamInfer(
        self, requests: AsyncIterator[pb.ModelInferRequest], context: Context
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        ASKER.set(peer(context))

        async def answer(request: pb.ModelInferRequest) -> pb.ModelStreamInferResponse:
            try:
                response = await self._infer(request, context)
            except RefusedError as error:
                response = pb.ModelInferResponse(id=request.id)
                return pb.ModelStreamInferResponse(error_message=str(error), infer_response=response)
            response.parameters[FINAL].bool_param = True
            return pb.ModelStreamInferResponse(infer_response=response)

        window = Window(STREAM_WINDOW, STREAM_BYTES)
        async with aclosing(in_order(requests, answer, lambda request: request.ByteSize(), window)) as answers:
            async for response in answers:
                yield response

    async def ModelConfig(self, request: pb.ModelConfigRequest, context: Context) -> pb.ModelConfigResponse:
        model = await self._find(request.name, request.version, context)
        config = pb.ModelConfig(
            name=model.name,
            platform=PLATFORM,
            backend=BACKEND,
            max_batch_size=model.max_request_rows,
            input=[
                pb.ModelInput(name=each.name, data_type=CONFIGURED[each.dtype], dims=dims(each, model))
                for each in model.inputs.values()
            ],
            output=[
                pb.ModelOutput(name=each.name, data_type=CONFIGURED[each.dtype], dims=dims(each, model))
                for each in model.outputs.values()
            ],
            default_model_filename=model.path.name,
        )
        config.version_policy.specific.versions.extend(self._models.versions(model.name))
        if model.max_request_rows:
            config.dynamic_batching.max_queue_delay_microseconds = round(model.max_delay_s * 1e6)
        return pb.ModelConfigResponse(config=config)

    async def ModelStatistics(self, request: pb.ModelStatisticsRequest, context: Context) -> pb.ModelStatisticsResponse:
        if request.version:
            models = [await self._find(request.name, request.version, context)]
        elif request.name:
            found = await self._find(request.name, "", context)
            models = [self._models.get(found.name, version) for version in self._models.versions(found.name)]
        else:
            models = list(self._models)
        return pb.ModelStatisticsResponse(
            model_stats=[statistics_message(model, self._figures_of(model)) for model in models]
        )

    async def RepositoryIndex(self, request: pb.RepositoryIndexRequest, context: Context) -> pb.RepositoryIndexResponse:
        if request.repository_name:
            problem = f"{request.repository_name!r} is asked for; the one that there is has no name"
            await refuse(context, InvalidArgumentError("repository_name", problem))
        return pb.RepositoryIndexResponse(
            models=[
                pb.RepositoryIndexResponse.ModelIndex(
                    name=entry.name,
                    version=str(entry.version or ""),
                    state=UNAVAILABLE if entry.problem else READY,
                    reason=entry.problem,
                )
                for entry in self._models.index()
                if not (request.ready and entry.problem)
            ]
        )

    async def _find(self, name: str, version: str, context: Context) -> ServedModel:
        try:
            return self._models.get(name, version_of(version))
        except RefusedError as error:
            await refuse(context, error)

    async def _infer(self, request: pb.ModelInferRequest, context: Context) -> Any:
        model = self._models.get(request.model_name, version_of(request.model_version, "model_version"))
        if request.parameters and (sequences := sorted(SEQUENCES & set(request.parameters))):
            raise InvalidArgumentError("parameters", f"{', '.join(sequences)}: no sequences are served")
        names = outputs_asked(request, model)
        inputs = inputs_of(request, model)
        model.check(inputs)
        return response_of(request, model, names, await model.submit(inputs, deadline(context)))


def version_of(text: str, field: str = "version") -> int | None:
    """The number of a version; None where it is left to the server.

    Raises:
        InvalidArgumentError: It is none.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > LONGEST:
        raise InvalidArgumentError(field, f"{text!r} is no number")
    return int(text)


def statistics_message(model: ServedModel, figures: Figures) -> pb.ModelStatistics:
    """What ModelStatistics tells of a model; times of its own for the copying of inputs and outputs are not taken."""

    def duration(count: int, microseconds: float = 0.0) -> pb.StatisticDuration:
        return pb.StatisticDuration(count=count, ns=round(microseconds * 1000))

    return pb.ModelStatistics(
        name=model.name,
        version=str(model.version),
        inference_count=figures.rows,
        execution_count=figures.batches,
        inference_stats=pb.InferStatistics(
            success=duration(figures.succeeded, figures.request_us),
            fail=duration(figures.failed),
            queue=duration(figures.succeeded, figures.queue_us),
            compute_input=duration(figures.succeeded),
            compute_infer=duration(figures.succeeded, figures.run_us),
            compute_output=duration(figures.succeeded),
        ),
    )


def add_inference_servicer(servicer: InferenceServicer, server: Any) -> None:
    """Register the calls, and answers for those that are not served."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in DESCRIPTOR.methods:
        request, response = (getattr(pb, kind.name) for kind in (method.input_type, method.output_type))
        kind = grpc.stream_stream_rpc_method_handler if method.client_streaming else grpc.unary_unary_rpc_method_handler
        handlers[method.name] = kind(getattr(servicer, method.name), request.FromString, response.SerializeToString)
    for name, instead in UNSERVED.items():
        handlers[name] = grpc.unary_unary_rpc_method_handler(_refusing(f"{name} is not served: {instead}"))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])


def _refusing(message: str) -> Callable[[bytes, Context], Any]:
    async def refuse_it(_request: bytes, context: Context) -> bytes:
        await refuse(context, UnimplementedError(message))

    return refuse_it
