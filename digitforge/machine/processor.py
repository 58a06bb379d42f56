"""What kind of processor this is: files are verified on one kind, and rounding differs between kinds."""

import platform

import numpy as np


def kind_of_processor() -> str:
    """Such as `x86-64-v4` (AVX-512), `x86-64-v3` (AVX2 and FMA; the levels of the System V ABI) or `arm64`."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        extensions = np.show_config(mode="dicts")["SIMD Extensions"]
        levels = [name for name in extensions["baseline"] + extensions["found"] if name.startswith("X86_V")]
        return f"x86-64-v{max(levels).removeprefix('X86_V')}"
    return "arm64" if machine == "aarch64" else machine
