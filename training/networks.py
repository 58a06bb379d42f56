"""The networks: multilayer perceptrons, the article's and the default preset's in one class each.

Images are flat here, float32[batch, 784], in the generator's scale (see `pixels.py`). `digits` are the classes,
int64[batch].
"""

from collections.abc import Mapping

from torch import Tensor, nn

from training.config import TrainingConfig

IMAGE_SIZE = 28
PIXELS = IMAGE_SIZE * IMAGE_SIZE
LEAKY_SLOPE = 0.2


class Generator(nn.Module):
    """Latents to images: latent-128-256-512-1024-784 with LeakyReLU 0.2 and a tanh at the end.

    Args:
        latent_size: Length of a latent vector.
        classes: Number of classes, 0 for a generator without. A class enters as a learned vector added to the first
            layer's output, which is what a one-hot vector concatenated to the latents would do.
        batch_norm: BatchNorm1d after the 256, 512 and 1024 layers, as the article has it.
    """

    HIDDEN = (128, 256, 512, 1024)

    def __init__(self, latent_size: int, classes: int, batch_norm: bool) -> None:
        super().__init__()
        first, *others = self.HIDDEN
        self.latent_size = latent_size
        self.classes = classes
        self.first = nn.Linear(latent_size, first)
        self.class_embedding = nn.Embedding(classes, first) if classes else None
        layers: list[nn.Module] = [nn.LeakyReLU(LEAKY_SLOPE)]
        width = first
        for next_width in others:
            layers.append(nn.Linear(width, next_width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(nn.LeakyReLU(LEAKY_SLOPE))
            width = next_width
        self.rest = nn.Sequential(*layers, nn.Linear(width, PIXELS), nn.Tanh())

    def forward(self, z: Tensor, digits: Tensor | None = None) -> Tensor:
        """float32[batch, latent], int64[batch] -> float32[batch, 784] in [-1, 1]."""
        hidden = self.first(z)
        if self.class_embedding is not None:
            hidden = hidden + self.class_embedding(digits)
        return self.rest(hidden)


class Discriminator(nn.Module):
    """Images to a logit, positive for real: 784-512-256-1 with LeakyReLU 0.2.

    Args:
        classes: Number of classes, 0 for a discriminator that sees none. A class enters by projection: its logit is
            `w·h + v[digit]·h` (Miyato and Koyama 2018, "cGANs with Projection Discriminator"), so that without a
            label the first term is a discriminator of its own: the detector that is exported.
        batch_norm: BatchNorm1d on the 512 and 256 layers, as the article has it.
    """

    HIDDEN = (512, 256)

    def __init__(self, classes: int, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = PIXELS
        for next_width in self.HIDDEN:
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


def not_finite(weights: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights of a `state_dict` that hold NaN or infinity."""
    return [name for name, weight in weights.items() if not weight.isfinite().all()]


def build_networks(config: TrainingConfig) -> tuple[Generator, Discriminator]:
    """The pair that a config describes, freshly initialised from torch's global generator of random numbers."""
    generator = Generator(config.latent_size, config.classes, config.generator_batch_norm)
    discriminator = Discriminator(config.classes, config.discriminator_batch_norm)
    return generator, discriminator
