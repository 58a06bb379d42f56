"""The generators that tutorials and collections have for MNIST, in their very form, with fewer channels; and their
opponents.

A generator's traces lie in its last layers: transposed convolutions of an even or an odd kernel, upsampling and
convolutions, fully connected pixels, a tanh or a sigmoid, BatchNorm by its batch or by its running averages. The names
below tell the form; `recipes.py` tells whose it is.

A generator maps latents float32[batch, latent + classes] to images float32[batch, 1, 28, 28] of the range of its last
layer; an opponent maps images float32[batch, 1 + classes, 28, 28] to logits float32[batch, 1].
"""

from collections.abc import Callable

from torch import Tensor, nn

LEAKY_SLOPE = 0.2
GRID = 7
SIDE = 28
DENSE_WIDTH = 64
NARROW = 16
HIDDEN = 1024  # of an opponent's dense layer
LARGE_SIDE = 32  # of what was trained at a power of two, and is scaled to 28 afterwards


def _mlp(latent: int, width: int) -> nn.Module:
    """Fully connected, doubling; an eps of 0.8 where a momentum was meant, as PyTorch-GAN has it."""
    return nn.Sequential(
        nn.Linear(latent, width),
        nn.LeakyReLU(LEAKY_SLOPE),
        nn.Linear(width, 2 * width),
        nn.BatchNorm1d(2 * width, 0.8),
        nn.LeakyReLU(LEAKY_SLOPE),
        nn.Linear(2 * width, SIDE**2),
        nn.Unflatten(1, (1, SIDE, SIDE)),
    )


def _transposed(latent: int, width: int) -> nn.Module:
    """DCGAN (Radford et al. 2016): transposed convolutions alone, kernel 4, the first one from the latents."""
    return nn.Sequential(
        nn.Unflatten(1, (latent, 1, 1)),
        nn.ConvTranspose2d(latent, width, GRID, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1, bias=False),
    )


def _transposed_large(latent: int, width: int) -> nn.Module:
    """DCGAN at 32 pixels: grids of 4, 8 and 16."""
    return nn.Sequential(
        nn.Unflatten(1, (latent, 1, 1)),
        nn.ConvTranspose2d(latent, 2 * width, 4, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width // 2),
        nn.ReLU(),
        nn.ConvTranspose2d(width // 2, 1, 4, stride=2, padding=1, bias=False),
    )


def _kernel_5(latent: int, width: int) -> nn.Module:
    """A dense layer, then transposed convolutions of kernel 5, with Keras' BatchNorm and LeakyReLU."""

    def norm(channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)

    return nn.Sequential(
        nn.Linear(latent, width * GRID**2, bias=False),
        nn.Unflatten(1, (width, GRID, GRID)),
        norm(width),
        nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(width, width, 5, padding=2, bias=False),
        norm(width),
        nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(width, width // 2, 5, stride=2, padding=2, output_padding=1, bias=False),
        norm(width // 2),
        nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(width // 2, 1, 5, stride=2, padding=2, output_padding=1, bias=False),
    )


def _kernel_7(latent: int, width: int) -> nn.Module:
    """A dense layer, kernels 4, then a last convolution of kernel 7; no BatchNorm."""
    return nn.Sequential(
        nn.Linear(latent, width * GRID**2),
        nn.LeakyReLU(LEAKY_SLOPE),
        nn.Unflatten(1, (width, GRID, GRID)),
        nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
        nn.LeakyReLU(LEAKY_SLOPE),
        nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
        nn.LeakyReLU(LEAKY_SLOPE),
        nn.Conv2d(width, 1, GRID, padding=3),
    )


def _upsampled(mode: str) -> Callable[[int, int], nn.Module]:
    def build(latent: int, width: int) -> nn.Module:
        """A dense layer, then upsampling and convolutions, with an eps of 0.8 as PyTorch-GAN has it."""
        return nn.Sequential(
            nn.Linear(latent, width * GRID**2),
            nn.Unflatten(1, (width, GRID, GRID)),
            nn.BatchNorm2d(width),
            nn.Upsample(scale_factor=2, mode=mode),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width, 0.8),
            nn.LeakyReLU(LEAKY_SLOPE),
            nn.Upsample(scale_factor=2, mode=mode),
            nn.Conv2d(width, width // 2, 3, padding=1),
            nn.BatchNorm2d(width // 2, 0.8),
            nn.LeakyReLU(LEAKY_SLOPE),
            nn.Conv2d(width // 2, 1, 3, padding=1),
        )

    return build


def _two_dense(latent: int, width: int) -> nn.Module:
    """InfoGAN's (Chen et al. 2016), which collections of GANs take for all of theirs: two dense layers, then two
    transposed convolutions. The first layer, which has most of the weights, is narrower than theirs.
    """
    return nn.Sequential(
        nn.Linear(latent, DENSE_WIDTH),
        nn.BatchNorm1d(DENSE_WIDTH),
        nn.ReLU(),
        nn.Linear(DENSE_WIDTH, width * GRID**2),
        nn.BatchNorm1d(width * GRID**2),
        nn.ReLU(),
        nn.Unflatten(1, (width, GRID, GRID)),
        nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
    )


def _two_dense_full(latent: int, width: int) -> nn.Module:
    """The same with convolutions as wide as theirs. Dense layers as theirs would fill megabytes."""
    return nn.Sequential(
        nn.Linear(latent, 2 * width, bias=False),
        nn.BatchNorm1d(2 * width),
        nn.ReLU(),
        nn.Linear(2 * width, NARROW, bias=False),
        nn.Linear(NARROW, width * GRID**2, bias=False),
        nn.BatchNorm1d(width * GRID**2),
        nn.ReLU(),
        nn.Unflatten(1, (width, GRID, GRID)),
        nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width // 2),
        nn.ReLU(),
        nn.ConvTranspose2d(width // 2, 1, 4, stride=2, padding=1),
    )


GENERATORS: dict[str, Callable[[int, int], nn.Module]] = {
    "mlp": _mlp,
    "transposed": _transposed,
    "transposed large": _transposed_large,
    "kernel 5": _kernel_5,
    "kernel 7": _kernel_7,
    "upsampled nearest": _upsampled("nearest"),
    "upsampled bilinear": _upsampled("bilinear"),
    "two dense": _two_dense,
    "two dense, full": _two_dense_full,
}


class TutorialGenerator(nn.Module):
    """One of `GENERATORS` with its last function: `tanh` to [-1, 1] or `sigmoid` to [0, 1]."""

    def __init__(self, form: str, latent: int, width: int, last: str) -> None:
        super().__init__()
        self.layers = GENERATORS[form](latent, width)
        self.last = nn.Tanh() if last == "tanh" else nn.Sigmoid()

    def forward(self, latents: Tensor) -> Tensor:
        return self.last(self.layers(latents))


def opponent(inputs: int, side: int, norm: str, width: int) -> nn.Module:
    """Two strided convolutions and a dense layer, or for `norm` "mlp" three dense layers.

    Args:
        inputs: Channels: the image's, and a plane for every class where it is told the class.
        side: Of the images.
        norm: "batch", "batch, dense" with a hidden layer behind the convolutions, "none", "dropout" or "mlp".
        width: Channels of the first convolution, half of the second's.
    """
    if norm == "mlp":
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs * side**2, 256),
            nn.LeakyReLU(LEAKY_SLOPE),
            nn.Linear(256, 128),
            nn.LeakyReLU(LEAKY_SLOPE),
            nn.Linear(128, 1),
        )
    features = 2 * width * (side // 4) ** 2
    between: dict[str, list[nn.Module]] = {
        "batch": [nn.BatchNorm2d(2 * width)],
        "batch, dense": [nn.BatchNorm2d(2 * width)],
        "dropout": [nn.Dropout(0.3)],
    }
    return nn.Sequential(
        nn.Conv2d(inputs, width, 4, stride=2, padding=1),
        nn.LeakyReLU(LEAKY_SLOPE),
        *([nn.Dropout(0.3)] if norm == "dropout" else []),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        *between.get(norm, []),
        nn.LeakyReLU(LEAKY_SLOPE),
        nn.Flatten(),
        *(
            [nn.Linear(features, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.LeakyReLU(LEAKY_SLOPE), nn.Linear(HIDDEN, 1)]
            if norm == "batch, dense"
            else [nn.Linear(features, 1)]
        ),
    )
