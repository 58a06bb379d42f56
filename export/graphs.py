"""The networks as they are served: uint8 pixels at the outside, all pre- and post-processing within.

So every runtime gets the same pixels, and no client has to know how a network was trained.
"""

from torch import Tensor, nn

from training.checkpoint import Checkpoint
from training.networks import (
    Detector,
    DetectorOutput,
    Discriminator,
    Generator,
    build_detector,
    build_generator,
    not_finite,
)
from training.pixels import normalise, to_levels, to_uint8


class NotFiniteError(Exception):
    """A network has NaN or infinite weights; rounded to uint8, its pictures would look like black ones."""


class GeneratorGraph(nn.Module):
    """Latents (and digits) to images.

    Args:
        generator: The network.
        mean, std: Of the `Normalize` that it was trained with.
    """

    def __init__(self, generator: Generator, mean: float, std: float) -> None:
        super().__init__()
        self.generator = generator
        self.mean = mean
        self.std = std

    def forward(self, z: Tensor, digit: Tensor | None = None) -> Tensor:
        """float32[batch, latent], int64[batch, 1] -> uint8[batch, 28, 28], white ink on black."""
        return to_uint8(self._normalised(z, digit), self.mean, self.std)

    def before_rounding(self, z: Tensor, digit: Tensor | None = None) -> Tensor:
        """The same as float32[batch, 784], 0 to 255: what the rounding hides, to compare files by."""
        return to_levels(self._normalised(z, digit), self.mean, self.std)

    def _normalised(self, z: Tensor, digit: Tensor | None) -> Tensor:
        return self.generator(z, digit.squeeze(1) if digit is not None else None)


class DiscriminatorGraph(nn.Module):
    """Images to the logit and the probability that they are real and, of a detector, what else it sees in them.

    Args:
        discriminator: The network.
        mean, std: Of the `Normalize` that it was trained with.
    """

    def __init__(self, discriminator: Discriminator | Detector, mean: float, std: float) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.mean = mean
        self.std = std

    @property
    def classes(self) -> int:
        """Of the head that tells them; 0: there is none."""
        return self.discriminator.digit_logits.out_features if isinstance(self.discriminator, Detector) else 0

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """uint8[batch, 28, 28] -> the outputs of `discriminator_tensors`, in its order."""
        seen = self.discriminator(normalise(images, self.mean, self.std))
        if not isinstance(seen, DetectorOutput):
            return seen, seen.sigmoid()
        digits = seen.digit_logits.softmax(dim=1)
        return seen.logit, seen.logit.sigmoid(), digits, seen.one_digit_logit.sigmoid()


def build_graphs(run: Checkpoint) -> tuple[GeneratorGraph, DiscriminatorGraph]:
    """The pair of a finished run, in inference mode.

    Raises:
        ValueError: The run is not finished.
        NotFiniteError: A weight is no finite number.
        RuntimeError: The weights are not those of the config's networks.
    """
    return build_generator_graph(run), build_discriminator_graph(run)


def build_generator_graph(run: Checkpoint) -> GeneratorGraph:
    """The generator alone; raises what `build_graphs` raises."""
    generator = build_generator(run.config)
    _load(generator, run.generator, f"generator of run {run.run_id}")
    return GeneratorGraph(generator, run.config.pixel_mean, run.config.pixel_std).eval()


def build_discriminator_graph(run: Checkpoint) -> DiscriminatorGraph:
    """The detector alone; raises what `build_graphs` raises."""
    detector = build_detector(run.config)
    _load(detector, run.discriminator, f"discriminator of run {run.run_id}")
    return DiscriminatorGraph(detector, run.config.pixel_mean, run.config.pixel_std).eval()


def _load(network: nn.Module, weights: dict[str, Tensor] | None, name: str) -> None:
    if weights is None:
        raise ValueError(f"there is no {name}: the run is not finished")
    network.load_state_dict(weights)
    if names := not_finite(weights):
        raise NotFiniteError(f"the {name} has weights that are no finite numbers: {names}")
