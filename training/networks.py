"""The networks: multilayer perceptrons, with two small convolutions between them and the pixels if asked for; and the
detector, which is all convolutions.

Images are flat here, float32[batch, 784], in the generator's scale (see `pixels.py`). `digits` are the classes,
int64[batch].

A last layer that is fully connected has weights of its own for every pixel, and so noise of its own in every pixel:
speckles. Convolutions have none, and see a stroke as a stroke wherever it is. They are kept small, for a CPU: a DCGAN
(Radford et al. 2016) reduced to the two stages that 28 x 28 pixels need. docs/training.md has the measurements.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.config import TrainingConfig
from training.image_convolutions import ConvFromImage, ConvToImage
from training.pixels import to_levels

IMAGE_SIZE = 28
PIXELS = IMAGE_SIZE * IMAGE_SIZE
LEAKY_SLOPE = 0.2
GRID = 7  # where the convolutions and the fully connected layers meet: a quarter of an image's width


class Generator(nn.Module):
    """Latents to images: fully connected layers with LeakyReLU 0.2, then pixels or convolutions, then a tanh.

    Args:
        latent_size: Length of a latent vector.
        classes: Number of classes, 0 for a generator without. A class enters as a learned vector added to the first
            layer's output, which is what a one-hot vector concatenated to the latents would do.
        hidden: Widths of the hidden layers.
        channels: Channels of the 7 by 7 grid that two transposed convolutions double in size, with half as many
            channels in between; 0 for a fully connected last layer.
        batch_norm: BatchNorm1d after all hidden layers but the first, as the article has it.
    """

    def __init__(
        self, latent_size: int, classes: int, hidden: tuple[int, ...], channels: int, batch_norm: bool
    ) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.classes = classes
        self.first = nn.Linear(latent_size, hidden[0])
        self.class_embedding = nn.Embedding(classes, hidden[0]) if classes else None
        layers: list[nn.Module] = [nn.LeakyReLU(LEAKY_SLOPE)]
        for width, next_width in pairwise(hidden):
            layers.append(nn.Linear(width, next_width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(nn.LeakyReLU(LEAKY_SLOPE))
        if channels:
            layers += [nn.Linear(hidden[-1], channels * GRID**2), nn.LeakyReLU(LEAKY_SLOPE)]
            layers += [nn.Unflatten(1, (channels, GRID, GRID))]
            layers += [nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1), nn.LeakyReLU(LEAKY_SLOPE)]
            layers += [ConvToImage(channels // 2), nn.Flatten()]
        else:
            layers.append(nn.Linear(hidden[-1], PIXELS))
        self.rest = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z: Tensor, digits: Tensor | None = None) -> Tensor:
        """float32[batch, latent], int64[batch] -> float32[batch, 784] in [-1, 1]."""
        hidden = self.first(z)
        if self.class_embedding is not None:
            hidden = hidden + self.class_embedding(digits)
        return self.rest(hidden)


class Discriminator(nn.Module):
    """Images to a logit, positive for real: pixels or convolutions, then fully connected layers with LeakyReLU 0.2.

    Args:
        classes: Number of classes, 0 for a discriminator that sees none. A class enters by projection: its logit is
            `w·h + v[digit]·h` (Miyato and Koyama 2018, "cGANs with Projection Discriminator"), so that without a
            label the first term is a discriminator of its own: what a run without a detector stage exports.
        hidden: Widths of the fully connected layers.
        channels: Channels of the first of two convolutions, the second has twice as many; each halves the image's
            size. 0 for a fully connected first layer.
        batch_norm: BatchNorm1d on the fully connected layers, as the article has it.
    """

    def __init__(self, classes: int, hidden: tuple[int, ...], channels: int, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = PIXELS
        if channels:
            layers += [nn.Unflatten(1, (1, IMAGE_SIZE, IMAGE_SIZE))]
            layers += [ConvFromImage(channels), nn.LeakyReLU(LEAKY_SLOPE)]
            layers += [nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1), nn.LeakyReLU(LEAKY_SLOPE)]
            layers += [nn.Flatten()]
            width = 2 * channels * GRID**2
        for next_width in hidden:
            layers.append(nn.Linear(width, next_width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(nn.LeakyReLU(LEAKY_SLOPE))
            width = next_width
        self.features = nn.Sequential(*layers)
        self.logit = nn.Linear(width, 1)
        self.class_projection = nn.Embedding(classes, width) if classes else None
        if self.class_projection is not None:
            nn.init.normal_(self.class_projection.weight, std=width**-0.5)

    def forward(self, images: Tensor, digits: Tensor | None = None) -> Tensor:
        """float32[batch, 784], int64[batch] or None -> logits float32[batch, 1]."""
        features = self.features(images)
        logits = self.logit(features)
        if self.class_projection is not None and digits is not None:
            logits = logits + (self.class_projection(digits) * features).sum(dim=1, keepdim=True)
        return logits


class DetectorOutput(NamedTuple):
    """What a detector sees in images.

    Attributes:
        logit: float32[batch, 1], positive for a real handwritten digit, negative for a generated one and for no digit.
        digit_logits: float32[batch, classes]: which of them it is, if it is a digit.
        one_digit_logit: float32[batch, 1], positive for one digit, generated or real, negative for what is none.
    """

    logit: Tensor
    digit_logits: Tensor
    one_digit_logit: Tensor


class FaintLevels(nn.Module):
    """Images with a second channel beside them that shows the levels next to black, and neither black nor ink.

    The tanh or sigmoid at a generator's end nearly reaches black, and seldom gets there: it leaves levels of 1 to 5
    around its strokes, which a pen that was scanned does not, and which are too faint to be seen beside levels of 255.

    Args:
        mean, std: Of the `Normalize(mean, std)` of the images.
    """

    FAINT = 4.0  # the level that shows most

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean = mean
        self.std = std

    def forward(self, images: Tensor) -> Tensor:
        """float32[batch, 784] -> float32[batch, 2, 28, 28]: as they are, and t exp(1 - t) of t = level / 4, up to 1."""
        t = to_levels(images, self.mean, self.std) / self.FAINT
        return torch.stack([images, t * torch.exp(1 - t)], dim=1).unflatten(2, (IMAGE_SIZE, IMAGE_SIZE))


class LevelCounts(nn.Module):
    """How many pixels of an image have which level: what an image has as a whole, and no convolution sums up.

    A sigmoid or tanh leaves other shares of levels next to black and next to full ink than a scanned pen does, wherever
    in the image they are, and these shares tell together whether an image was blurred, scaled or saved as JPEG instead.

    Args:
        mean, std: Of the `Normalize(mean, std)` of the images.
    """

    FROM = (1, 2, 3, 4, 6, 11, 32, 64, 128, 224, 240, 251, 252, 253, 254, 255)  # levels at which a new count begins

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.below: Tensor
        self.register_buffer("below", torch.tensor(self.FROM).float()[:, None] - 1, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """float32[batch, 784] -> float32[batch, 16]: the counts' logarithms, those of a few pixels near 0."""
        levels = to_levels(images, self.mean, self.std).round()
        reached = (levels[:, None] - self.below).clamp(0, 1).sum(dim=2)  # 1 for each pixel that reaches it
        counts = reached - F.pad(reached[:, 1:], (0, 1))
        return 0.5 * torch.log1p(counts) - 0.5


class Detector(nn.Module):
    """Images to what is seen in them: five convolutions, then a hidden layer, and three heads on it. It sees no label.

    The first convolution looks at every pixel, where the discriminator's takes every other, and at faint levels for
    themselves (`FaintLevels`): a generator betrays itself in its texture. BatchNorm, which a GAN's discriminator had
    better do without, helps it to learn that soon; folded away, it costs nothing when served. The hidden layer is given
    the image's levels as a whole beside it (`LevelCounts`). The heads share all but their last layer, so that three
    answers cost what one does.

    Args:
        channels: Of the first convolution; with each halving of the image's size they double.
        classes: Of the data set; 1 where it has none.
        mean, std: Of the `Normalize(mean, std)` of the images.
    """

    HIDDEN = 128
    COUNTED = 64  # hidden units for the counts of levels
    DROPOUT = 0.3

    def __init__(self, channels: int, classes: int, mean: float, std: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [FaintLevels(mean, std)]
        width = 2
        for next_width, kernel, stride in (
            (channels, 3, 1),
            (2 * channels, 4, 2),
            (2 * channels, 3, 1),
            (4 * channels, 4, 2),
            (4 * channels, 3, 1),
        ):
            layers += [nn.Conv2d(width, next_width, kernel, stride, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(next_width), nn.LeakyReLU(LEAKY_SLOPE)]
            width = next_width
        self.texture = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(self.DROPOUT))
        counts = LevelCounts(mean, std)
        self.levels = nn.Sequential(counts, nn.Linear(len(counts.FROM), self.COUNTED), nn.LeakyReLU(LEAKY_SLOPE))
        self.hidden = nn.Sequential(nn.Linear(width * GRID**2 + self.COUNTED, self.HIDDEN), nn.LeakyReLU(LEAKY_SLOPE))
        self.logit = nn.Linear(self.HIDDEN, 1)
        self.digit_logits = nn.Linear(self.HIDDEN, classes)
        self.one_digit_logit = nn.Linear(self.HIDDEN, 1)

    def forward(self, images: Tensor) -> DetectorOutput:
        """float32[batch, 784] -> float32[batch, 1], float32[batch, classes], float32[batch, 1]."""
        features = self.hidden(torch.cat([self.texture(images), self.levels(images)], dim=1))
        return DetectorOutput(self.logit(features), self.digit_logits(features), self.one_digit_logit(features))


def not_finite(weights: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights of a `state_dict` that hold NaN or infinity."""
    return [name for name, weight in weights.items() if not weight.isfinite().all()]


def build_generator(config: TrainingConfig) -> Generator:
    """The generator that a config describes, freshly initialised from torch's global generator of random numbers."""
    return Generator(
        config.latent_size,
        config.classes,
        config.generator_hidden,
        config.generator_channels,
        config.generator_batch_norm,
    )


def build_discriminator(config: TrainingConfig) -> Discriminator:
    """Its opponent, likewise."""
    return Discriminator(
        config.classes,
        config.discriminator_hidden,
        config.discriminator_channels,
        config.discriminator_batch_norm,
    )


def build_detector(config: TrainingConfig) -> Detector | Discriminator:
    """The network that a run leaves as its detector: one of its own, or the discriminator where none is trained."""
    if not config.detector_images:
        return build_discriminator(config)
    return fresh_detector(config)


def fresh_detector(config: TrainingConfig) -> Detector:
    """A detector of its own, freshly initialised likewise."""
    return Detector(config.detector_channels, config.told_classes, config.pixel_mean, config.pixel_std)
