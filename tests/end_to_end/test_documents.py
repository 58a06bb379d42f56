"""What the pages show a reader to do with a server, done as it is written, against the shared one.

Left out is what trains, exports or starts a server: `tests/test_documents.py` has its options read.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.documents import PAGES, Block, code_blocks

pytestmark = pytest.mark.any_transport
USUAL = "localhost:50051"  # where the pages' server is
# These pages' programs ask a server of the model that they make: see test_your_own_data.py and test_own_model.py.
OWN_SERVER = ("your-own-data.md", "serve-your-own-model.md")
BLOCKS = [block for page in PAGES if page.name not in OWN_SERVER for block in code_blocks(page)]
ASKING = [
    block
    for block in BLOCKS
    if block.language == "sh" and any(line.startswith(("digitforge ", "grpcurl ")) for line in block.text.splitlines())
]
# grpcurl's part of what the pages ask of it: a message in JSON for a method that the server's reflection describes.
GRPCURL = """
import json, sys
import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
plaintext, flag, data, address, path = sys.argv[1:]
assert (plaintext, flag) == ("-plaintext", "-d")
with grpc.insecure_channel(address) as channel:
    service, _, name = path.partition("/")
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName(service).methods_by_name[name]
    request, answer = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))
    call = channel.unary_unary(f"/{path}", request.SerializeToString, answer.FromString)
    print(json_format.MessageToJson(call(json_format.Parse(data, request()))))
"""


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=str)
def test_python_blocks_run(block: Block, address: str) -> None:
    assert USUAL in block.text
    exec(compile(block.text.replace(USUAL, address), str(block), "exec"), {})


@pytest.fixture
def bash(address: str, tmp_path: Path) -> Callable[[str], None]:
    """Runs lines in a folder of their own, which has the environment that they activate and a photo."""
    programs = tmp_path / "programs"
    programs.mkdir()
    grpcurl = programs / "grpcurl"
    grpcurl.write_text(f"#!{sys.executable}{GRPCURL}")
    grpcurl.chmod(0o755)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    Image.fromarray(np.eye(90, dtype=np.uint8) * 255).save(tmp_path / "photo.jpg")
    variables = os.environ | {
        "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "DIGITFORGE_CLIENT_ADDRESS": address,
    }

    def run(lines: str) -> None:
        command = ["bash", "-euo", "pipefail", "-c", lines.replace(USUAL, address)]
        result = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr

    return run


@pytest.mark.parametrize("page", sorted({block.page for block in ASKING}), ids=lambda page: page.name)
def test_lines_that_ask_a_server_work_in_a_shell(page: Path, bash: Callable[[str], None]) -> None:
    bash("\n".join(block.text for block in ASKING if block.page == page))
