"""How fast the machine multiplies large matrices: the roof that no training step of matrix products goes through.

python -m benchmarks.gemm_peak --seconds 2
"""

import argparse
import json
import time

import torch

# Large enough for the peak. A processor's share of the time stays below a second for each product.
SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}


def gemm_peak(dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    """The fastest product seen within about so many seconds, in FLOP/s."""
    sizes = SIZES.get(device.type, SIZES["cpu"])
    best = 0.0
    for size in sizes:
        first, second = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        product = first @ second
        deadline = time.perf_counter() + seconds / len(sizes)
        while True:
            synchronise(device)
            start = time.perf_counter()
            torch.mm(first, second, out=product)
            synchronise(device)
            end = time.perf_counter()
            best = max(best, 2 * size**3 / (end - start))
            if end > deadline:
                break
    return best


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    """Print a line of JSON: FLOP/s in float32, and in bfloat16 or null where that does not work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gemm_peak", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each of the two")
    options = parser.parse_args()
    device = torch.device(options.device)
    figures: dict[str, float | None] = {"float32": gemm_peak(torch.float32, device, options.seconds)}
    try:
        figures["bfloat16"] = gemm_peak(torch.bfloat16, device, options.seconds)
    except RuntimeError:
        figures["bfloat16"] = None
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
