"""A finished run as the next version of a model repository: written beside, verified, and only then visible."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from evaluation.reference import NAME as REFERENCE
from evaluation.reference import FullReference
from export.errors import VerificationError
from export.graphs import build_graphs
from export.metadata import metadata_of
from export.model_card import MODEL_CARD, onnx_model_card
from export.onnx_model import EXAMPLE_BATCH, write_onnx
from export.pair_quality import Trial, check_quality, onnx_quality, pytorch_quality
from export.parity import BATCHES
from export.repository import DISCRIMINATOR, GENERATOR, MODEL_FILE, add_version
from export.signature import discriminator_tensors, generator_tensors
from export.variants import write_variant
from export.verify import verify
from training.checkpoint import Checkpoint

QUALITY_SHARE = 0.01  # how far the quality of the files may be from that of the PyTorch pair


def export(
    run: Checkpoint,
    repository: Path,
    run_folder: Path | None = None,
    variants: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> int:
    """Write, verify and publish both models of a finished run.

    Args:
        run: The run's checkpoint.
        repository: The model repository's folder.
        run_folder: The run's folder, with the real digits that quality is measured against; None, or a folder without
            them: quality is not compared.
        variants: Names of the variants to write beside.
        say: Told what was found.

    Returns:
        The version's number.

    Raises:
        NotFiniteError: The run has weights that are no finite numbers.
        ReferenceFileError: The run's real digits cannot be read.
        RepositoryError: The repository cannot take this version.
        VerificationError: A file is not what it should be; the message has the figures.
    """
    config = run.config
    generator, discriminator = build_graphs(run)
    graphs = {GENERATOR: generator, DISCRIMINATOR: discriminator}
    signature = {
        GENERATOR: generator_tensors(config.latent_size, config.classes),
        DISCRIMINATOR: discriminator_tensors(discriminator.classes),
    }
    trial = _trial(run, run_folder)
    if trial is None and variants:
        raise VerificationError(
            f"{' and '.join(variants)} must carry a quality of their own, and the run keeps no real digits to measure "
            f"it with ({REFERENCE}, by measure_fully)"
        )
    # The generator's own images are what the discriminator is compared on: noise would tell little.
    rows = max(BATCHES)
    z = torch.randn(rows, config.latent_size, generator=torch.Generator().manual_seed(0))
    inputs = {"z": z, "digit": torch.arange(rows).unsqueeze(1) % config.classes} if config.classes else {"z": z}
    with torch.no_grad():
        images = generator(*inputs.values())
    if trial is not None:  # half of them real, where there are some
        real = trial.reference.images[: rows // 2]
        images = torch.cat([images[: rows - len(real)], real])
    examples = {GENERATOR: inputs, DISCRIMINATOR: {"images": images}}

    def write(folders: Mapping[str, Path]) -> None:
        for model, folder in folders.items():
            few = {name: tensor[:EXAMPLE_BATCH] for name, tensor in examples[model].items()}
            path = folder / MODEL_FILE
            write_onnx(graphs[model], few, list(signature[model].outputs), metadata_of(run, model), path)
            pixels = verify(path, graphs[model], signature[model], examples[model])
            say(f"{model}: equal to PyTorch in float64" + (f"; {pixels}" if pixels else ""))
        (folders[GENERATOR] / MODEL_CARD).write_text(onnx_model_card(run, discriminator.classes), encoding="utf-8")
        if trial is None:
            say(f"quality was not compared: the run keeps no real digits ({REFERENCE}, by measure_fully)")
            return
        truth = pytorch_quality(trial, generator, discriminator)
        found = onnx_quality(trial, *(folders[model] / MODEL_FILE for model in (GENERATOR, DISCRIMINATOR)))
        check_quality("the exported pair beside PyTorch's", found, truth, QUALITY_SHARE, QUALITY_SHARE)
        say(
            f"quality: Fréchet distance {found['frechet_distance']:.5g} (PyTorch: {truth['frechet_distance']:.5g}), "
            f"AUROC {found['auroc']:.5g} ({truth['auroc']:.5g})"
        )
        for variant in variants:
            say(write_variant(variant, folders, signature, trial, found))

    return add_version(repository, signature, write)


def _trial(run: Checkpoint, run_folder: Path | None) -> Trial | None:
    if run_folder is None or not (run_folder / REFERENCE).is_file():
        return None
    return Trial.of(run.config.latent_size, run.config.classes, FullReference.load(run_folder / REFERENCE))
