"""The kind of processor that an exporter writes down and a server compares."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from digitforge.machine.processor import kind_of_processor

ROOT = Path(__file__).parents[3]
BEYOND_AVX2 = "X86_V4 AVX512_ICL AVX512_SPR"  # in NumPy's words


needs_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="needs an x86-64")


@needs_x86
def test_the_level_is_that_of_the_instructions_that_pytorch_finds() -> None:
    levels = {"DEFAULT": "x86-64-v2", "AVX2": "x86-64-v3", "AVX512": "x86-64-v4"}
    assert kind_of_processor() == levels[torch.backends.cpu.get_cpu_capability()]


@needs_x86
def test_a_processor_without_avx512_is_of_another_kind() -> None:
    code = "from digitforge.machine.processor import kind_of_processor; print(kind_of_processor())"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"NPY_DISABLE_CPU_FEATURES": BEYOND_AVX2},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.strip() == min(kind_of_processor(), "x86-64-v3")


@pytest.mark.skipif(platform.machine() not in ("aarch64", "arm64"), reason="needs an arm64")
def test_arm64_is_a_kind_by_itself() -> None:
    assert kind_of_processor() == "arm64"
