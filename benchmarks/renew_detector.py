"""A new detector for a generator that is exported already: its run, made anew from the ONNX file.

A model file holds the generator's weights and its config. Both go into a run's folder that stands where a run stands
after the GAN's training, so that the trainer goes on with the detector stage, with the settings of today's preset:

    python -m benchmarks.renew_detector models --out artifacts/runs/renewed
    digitforge-train --resume --out artifacts/runs/renewed
    digitforge-export artifacts/runs/renewed
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from digitforge.machine.onnx_runtime import onnxruntime
from export.metadata import PREFIX
from export.parity import Pixels
from export.repository import DISCRIMINATOR, GENERATOR, MODEL_FILE
from serving.repository.model_repository import complete_versions
from training.checkpoint import NAME, Checkpoint, save_atomically, save_checkpoint
from training.config import PRESETS, TrainingConfig
from training.data import load_data_set
from training.detector_fit import STATE
from training.fakes.generators import Generated
from training.networks import Detector, Generator, build_generator, fresh_detector
from training.pixels import normalise, to_uint8
from training.provenance import source_commit

STATISTICS = 2_000  # images of each class, for BatchNorm
PROBES = 1_000  # images by which the recovered generator is compared with the file
OF_THE_DETECTOR = "detector_"


class NotRecoveredError(Exception):
    """What is in a file cannot be had as a network."""


def main() -> int:
    """Recover, compare, write."""
    options = build_parser().parse_args()
    names = ("detector_images", "detector_channels", "detector_pool", "detector_lr")
    overrides = {name: value for name in names if (value := getattr(options, name)) is not None}
    if not (versions := complete_versions(options.models)):
        print(f"{options.models} is no model repository: it has no complete version", file=sys.stderr)
        return 1
    if (options.out / NAME).exists():
        print(f"{options.out} has a run already", file=sys.stderr)
        return 1
    newest = str(max(versions))
    path = options.models / GENERATOR / newest / MODEL_FILE
    detector = None
    try:
        run, pixels = recovered(path, overrides)
        print(f"run {run.run_id} from {path}: {pixels}")
        if options.further:
            path = options.models / DISCRIMINATOR / newest / MODEL_FILE
            detector = recovered_detector(path, run.config, _both_classes(run, options.data_dir))
    except NotRecoveredError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    save_checkpoint(run, options.out)
    if detector is not None:
        save_atomically({"detector": detector.state_dict(), "optimizer": None, "seen": 0}, options.out / STATE)
    print(f"go on with: digitforge-train --resume --out {options.out}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.renew_detector", description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, help="the model repository; its newest version is taken")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder, which must hold no run yet")
    parser.add_argument("--detector-images", type=int, help="instead of the preset's")
    parser.add_argument("--detector-channels", type=int, help="the same")
    parser.add_argument("--detector-pool", type=int, help="the same")
    parser.add_argument("--detector-lr", type=float, help="the same")
    parser.add_argument(
        "--further", action="store_true", help="begin with the repository's own detector instead of a new one"
    )
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    return parser


def recovered(path: Path, overrides: dict[str, Any]) -> tuple[Checkpoint, Pixels]:
    """The run that an exported generator comes from, as it stood before its detector stage.

    Args:
        path: The generator's file.
        overrides: Fields of the config in the place of the preset's, of the detector stage.

    Returns:
        The run, and how the recovered network's images differ from the file's.

    Raises:
        NotRecoveredError: The file's weights are not those of the network that its config describes, or its images are
            others.
    """
    model = onnx.load(path)
    about = {entry.key.removeprefix(PREFIX): entry.value for entry in model.metadata_props}
    config = TrainingConfig.model_validate(json.loads(about["config"]))
    preset = PRESETS.get(config.preset, config).model_dump()
    config = config.with_options(
        {name: value for name, value in preset.items() if name.startswith(OF_THE_DETECTOR)} | overrides
    )
    generator = build_generator(config).eval()
    try:
        generator.load_state_dict(weights_in(path, GENERATOR))
    except RuntimeError as error:  # BatchNorm, folded into other layers, for one
        raise NotRecoveredError(f"it holds other weights than its config says: {error}") from error
    pixels = compared(path, generator, config)
    if pixels.most > 1:
        raise NotRecoveredError(f"the recovered network makes other images: {pixels}")
    quality = json.loads(about["quality"])
    best = {name: quality[name] for name in ("frechet_distance", "frechet_floor", "frechet_ratio") if name in quality}
    run = Checkpoint(
        config,
        about["run_id"],
        f"{about['source_commit']}, {source_commit()}",
        images_seen=int(about["images_seen"]),
        elapsed_s=float(about["training_seconds"]),
        best={"images_seen": int(about["images_seen"]), **best, "generator": generator.state_dict()},
    )
    return run, pixels


def _both_classes(run: Checkpoint, data_dir: Path) -> Tensor:
    """Images uint8[2 * STATISTICS, 28, 28] of the run's data set, and of its generator."""
    real = load_data_set(run.config.dataset, data_dir).fit.images[:STATISTICS]
    fakes = Generated(rebuilt_generator(run), run.config).images(STATISTICS, torch.Generator().manual_seed(0))
    return torch.cat([real, fakes])


def rebuilt_generator(run: Checkpoint) -> Generator:
    """The generator of a run that stands before its detector stage."""
    generator = build_generator(run.config)
    generator.load_state_dict((run.best or {})["generator"])
    return generator


@torch.no_grad()
def recovered_detector(path: Path, config: TrainingConfig, images: Tensor) -> Detector:
    """The network of an exported detector, to be trained on.

    In a file BatchNorm is folded into the convolution before it. Here each gets one again that gives what the file's
    layer does, by the mean and the deviation of what the convolution makes of some images.

    Args:
        path: The detector's file.
        config: The run's.
        images: uint8[count, 28, 28] of both classes, whose statistics BatchNorm begins with.

    Raises:
        NotRecoveredError: It is a detector of another form.
    """
    weights = weights_in(path, DISCRIMINATOR)
    detector = fresh_detector(config).eval()
    x = normalise(images, config.pixel_mean, config.pixel_std)
    layers = list(detector.texture)
    for number, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            name = f"texture.{number}.weight"
            if (weight := weights.pop(name, None)) is None:
                raise NotRecoveredError(f"it has no {name}, as a detector here has")
            if weight.shape != layer.weight.shape:
                theirs, ours = tuple(weight.shape), tuple(layer.weight.shape)
                raise NotRecoveredError(f"its {name} is of shape {theirs}, that of a detector here {ours}")
            layer.weight.copy_(weight)
            bias, made, norm = weights.pop(f"{name}_bias"), layer(x), cast(nn.BatchNorm2d, layers[number + 1])
            deviation, mean = torch.std_mean(made, dim=(0, 2, 3), correction=0)
            layer.weight.div_(deviation[:, None, None, None])
            norm.running_mean = mean / deviation
            norm.weight.copy_(deviation)
            norm.bias.copy_(mean + bias)
        x = layer(x)
    state = detector.state_dict()
    constants = dict(detector.named_buffers()).keys() - state.keys()  # a file has them beside the weights
    try:
        detector.load_state_dict(state | {name: weight for name, weight in weights.items() if name not in constants})
    except RuntimeError as error:
        raise NotRecoveredError(f"it holds other weights than a detector here: {error}") from error
    return detector


def weights_in(path: Path, role: str) -> dict[str, Tensor]:
    """The weights of an ONNX file by their names in the network."""
    inside = f"{role}."
    return {
        tensor.name.removeprefix(inside): torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in onnx.load(path).graph.initializer
        if tensor.name.startswith(inside)
    }


@torch.no_grad()
def compared(path: Path, generator: Generator, config: TrainingConfig) -> Pixels:
    """How a network's images differ from those of a file, for the same latents and classes."""
    z = torch.randn(PROBES, config.latent_size, generator=torch.Generator().manual_seed(0))
    digits = torch.arange(PROBES) % max(config.classes, 1)
    inputs = {"z": z.numpy()} | ({"digit": digits.unsqueeze(1).numpy()} if config.classes else {})
    (there,) = onnxruntime.InferenceSession(path).run(["images"], inputs)
    images = to_uint8(generator(z, digits if config.classes else None), config.pixel_mean, config.pixel_std)
    return Pixels.between(np.asarray(there), images.numpy())


if __name__ == "__main__":
    sys.exit(main())
