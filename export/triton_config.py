"""`config.pbtxt`: what Triton, and servers that read its layout, want to know of a model beside its file."""

from export.signature import Shape, Tensors

MAX_BATCH_SIZE = 1024
TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64", "uint8": "TYPE_UINT8"}


def config_pbtxt(model: str, tensors: Tensors) -> str:
    """The text for one model. Shapes go without the batch dimension, which `max_batch_size` stands for."""

    def tensor(name: str, dtype: str, shape: Shape) -> str:
        dims = ", ".join(map(str, shape[1:]))
        return f'  {{ name: "{name}" data_type: {TYPES[dtype]} dims: [ {dims} ] }}'

    def tensor_list(kind: str, values: dict[str, tuple[str, Shape]]) -> list[str]:
        rows = [tensor(name, *value) for name, value in values.items()]
        return [f"{kind} [", ",\n".join(rows), "]"]

    lines = [
        f'name: "{model}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {MAX_BATCH_SIZE}",
        *tensor_list("input", dict(tensors.inputs)),
        *tensor_list("output", dict(tensors.outputs)),
        "dynamic_batching { }",
    ]
    return "\n".join(lines) + "\n"
