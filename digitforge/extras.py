"""The extras of the installation: the libraries that a command needs beyond the client's.

require("serve", "digitforge-serve")  # before anything else is imported
"""

import sys
from importlib.util import find_spec

# What the extras of pyproject.toml bring, by the names that are imported.
MODULES = {
    "heic": ("pillow_heif",),
    "page": ("fastapi", "h11", "pydantic", "python_multipart", "starlette", "uvicorn"),
    "serve": ("grpc_reflection", "ngh2", "onnxruntime", "prometheus_client", "pydantic", "pydantic_settings"),
    "train": (
        "filelock",
        "jinja2",
        "markupsafe",
        "matplotlib",
        "onnx",
        "onnxruntime",
        "onnxscript",
        "pydantic",
        "safetensors",
        "sklearn",
        "tensorboard",
        "torch",
        "torchmetrics",
        "torchvision",
        "tqdm",
    ),
}


def require(extra: str, command: str) -> None:
    """End the command, exit code 1, with a line that says what to install, where an extra's libraries are not there."""
    if any(find_spec(module) is None for module in MODULES[extra]):
        sys.exit(f"{command} needs the extra '{extra}': pip install 'digitforge[{extra}]'")
