"""The exporter's command line."""

import argparse
import sys
from pathlib import Path

import torch

from export.graphs import NotFiniteError, build_graphs
from export.metadata import metadata_of
from export.model_card import MODEL_CARD, onnx_model_card
from export.onnx_model import EXAMPLE_BATCH, write_onnx
from export.repository import DISCRIMINATOR, GENERATOR, RepositoryError, add_version
from export.verify import BATCHES, VerificationError, discriminator_tensors, generator_tensors, verify
from training.checkpoint import Checkpoint, CheckpointError, load_checkpoint

MODEL_REPOSITORY = Path("artifacts/models")
FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Export a run; the exit code: 0 done, 1 failed, 2 wrong options."""
    parser = argparse.ArgumentParser(
        prog="digitforge-export", description="Export a finished run as the next version of a model repository."
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument(
        "--model-repository", type=Path, default=MODEL_REPOSITORY, help=f"where to (default: {MODEL_REPOSITORY})"
    )
    options = parser.parse_args(arguments)
    try:
        run = load_checkpoint(options.run)
        if not run.finished:
            raise CheckpointError(
                f"{options.run} is not finished ({run.images_seen:,} images so far); "
                f"go on with: digitforge-train --resume --out {options.run}"
            )
        version = export(run, options.model_repository)
    except (CheckpointError, NotFiniteError, RepositoryError, VerificationError, OSError) as error:
        print(f"digitforge-export: {error}", file=sys.stderr)
        return FAILED
    print(f"exported {options.run.resolve().name} as version {version} of {options.model_repository}")
    return 0


def export(run: Checkpoint, repository: Path) -> int:
    """Write, verify and publish both models of a finished run; returns the version's number."""
    config = run.config
    generator, discriminator = build_graphs(run)
    graphs = {GENERATOR: generator, DISCRIMINATOR: discriminator}
    signature = {
        GENERATOR: generator_tensors(config.latent_size, config.classes),
        DISCRIMINATOR: discriminator_tensors(),
    }
    # The generator's own images are what the discriminator is compared on: noise would tell little.
    rows = max(BATCHES)
    z = torch.randn(rows, config.latent_size, generator=torch.Generator().manual_seed(0))
    inputs = {"z": z, "digit": torch.arange(rows).unsqueeze(1) % config.classes} if config.classes else {"z": z}
    with torch.no_grad():
        images = generator(*inputs.values())
    examples = {GENERATOR: inputs, DISCRIMINATOR: {"images": images}}

    def write(path: Path, model: str) -> None:
        few = {name: tensor[:EXAMPLE_BATCH] for name, tensor in examples[model].items()}
        write_onnx(graphs[model], few, list(signature[model].outputs), metadata_of(run, model), path)
        verify(path, graphs[model], signature[model], examples[model])
        if model == GENERATOR:
            (path.parent / MODEL_CARD).write_text(onnx_model_card(run), encoding="utf-8")

    return add_version(repository, signature, write)
