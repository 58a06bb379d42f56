"""docs/serve-your-own-model.md, done as it is written: a model is made, served and asked."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.documents import ROOT, code_blocks

pytestmark = pytest.mark.any_transport
PAGE = ROOT / "docs" / "serve-your-own-model.md"
USUAL = "localhost:50051"  # where the page's server is


def test_page_leads_from_a_model_to_a_call(start_server: Callable[..., Any], tmp_path: Path) -> None:
    blocks = code_blocks(PAGE)
    make, ask = (block.text for block in blocks if block.language == "python")
    (said,) = (block.text.strip() for block in blocks if block.text.strip().startswith("version 1 of wine"))

    def run(program: str) -> None:
        variables = os.environ | {"PYTHONPATH": str(ROOT)}
        result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=variables, capture_output=True)
        assert result.returncode == 0, result.stderr.decode()

    run(make)
    server = start_server("--workers", "1", repository=tmp_path / "my-models")
    assert said in server.greeting
    run(ask.replace(USUAL, server.address))


def test_pages_configuration_is_obeyed_whole(tmp_path: Path) -> None:
    from serving.repository.model_config import ModelConfig

    (text,) = (block.text for block in code_blocks(PAGE) if block.text.startswith("max_batch_size"))
    (tmp_path / "config.pbtxt").write_text(text)
    config = ModelConfig.read(tmp_path)
    assert config.not_obeyed == ()
    assert (config.max_batch_size, config.model_file, config.max_delay_s) == (32, "wine.onnx", 0.0005)
    assert config.versions([1, 2, 3]) == {2, 3}
