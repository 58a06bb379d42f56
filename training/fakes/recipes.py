"""The models of other makers that `make fakes` trains: by name, and by family."""

from typing import Any

from training.fakes.autoencoders import AutoencoderRecipe
from training.fakes.diffusion import DiffusionRecipe
from training.fakes.gan_training import GanRecipe
from training.fakes.recipe import Recipe


def _full_collection(seed: int, **other: Any) -> GanRecipe:
    """Collections of GANs have one pair of networks for all of them, and train it to the end. These have their
    convolutions, their opponent and their learning rates: width and a strong opponent leave fewer traces.
    """
    return GanRecipe(
        "two dense, full", norm="batch, dense", last="sigmoid", latent=62, width=128, opponent_width=64, lr=1e-3,
        opponent_lr=2e-4, images=300_000, snapshots=(1.0,), seed=seed, **other,
    )  # fmt: skip


def _fully_connected(seed: int, images: int, **other: Any) -> GanRecipe:
    return GanRecipe(
        "mlp", norm="mlp", batch_statistics=True, width=64, lr=2e-4, images=images, snapshots=(1.0,), seed=seed, **other
    )


# By family, then by name. What is in one family has its last layers in common; a detector that is to know strangers is
# measured on a family that it never saw.
GANS: dict[str, dict[str, GanRecipe]] = {
    "dcgan": {
        "dcgan": GanRecipe("transposed", images=400_000),
        "dcgan-32": GanRecipe("transposed large", width=24, images=400_000, seed=3),
    },
    "keras gan": {
        "keras-dcgan": GanRecipe("kernel 5", norm="dropout", images=300_000, seed=4),
        "keras-cgan": GanRecipe(
            "kernel 7", norm="none", classes="told", last="sigmoid", width=16, images=300_000, seed=5
        ),
    },
    "upsampling gan": {
        "upsampled": GanRecipe("upsampled nearest", batch_statistics=True, images=300_000, seed=6),
        "upsampled-lsgan": GanRecipe("upsampled bilinear", loss="least squares", images=300_000, seed=7),
    },
    "gan collection": {
        "collection-gan": _full_collection(50),
        "collection-cgan": _full_collection(52, classes="told"),
        "collection-wide": GanRecipe(
            "two dense", last="sigmoid", width=56, opponent_width=64, images=1_000_000, snapshots=(1.0,), seed=40
        ),
    },
    "mlp gan": {
        "mlp-gan": _fully_connected(14, 900_000),
        "mlp-cgan": _fully_connected(15, 900_000, loss="least squares", classes="told"),
        "mlp-wgan-gp": _fully_connected(16, 400_000, loss="wasserstein"),
    },
}
DIFFUSIONS: dict[str, dict[str, DiffusionRecipe]] = {
    "diffusion": {"diffusion": DiffusionRecipe(seed=20)},
}
AUTOENCODERS: dict[str, dict[str, AutoencoderRecipe]] = {
    "vae": {
        "vae": AutoencoderRecipe(
            "mlp",
            20,
            128,
            True,
            images=300_000,
            snapshots=(1.0,),
            samples=0.7,
            reconstructions=0.2,
            blends=0.1,
            seed=30,
        ),
        "vae-conv": AutoencoderRecipe(
            "convolutional", 12, 16, True, samples=0.7, reconstructions=0.2, blends=0.1, seed=31
        ),
    },
    "autoencoder": {
        "autoencoder": AutoencoderRecipe("upsampling", 24, seed=32),
        "autoencoder-codes": AutoencoderRecipe("codes", 4, 24, seed=33),
    },
}
SLOW = tuple(DIFFUSIONS)  # families whose images take many passes each
RECIPES: dict[str, tuple[str, Recipe]] = {
    name: (family, recipe)
    for families in (GANS, DIFFUSIONS, AUTOENCODERS)
    for family, members in families.items()
    for name, recipe in members.items()
}
