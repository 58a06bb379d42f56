"""The models of other makers that `make fakes` trains: by name, and by family."""

from training.fakes.autoencoders import AutoencoderRecipe
from training.fakes.diffusion import DiffusionRecipe
from training.fakes.gan_training import GanRecipe
from training.fakes.recipe import Recipe

# By family, then by name. What is in one family has its last layers in common; a detector that is to know strangers is
# measured on a family that it never saw.
GANS: dict[str, dict[str, GanRecipe]] = {
    "dcgan": {
        "dcgan": GanRecipe("transposed"),
        "dcgan-32": GanRecipe("transposed large", width=24, seed=3),
    },
    "keras gan": {
        "keras-dcgan": GanRecipe("kernel 5", norm="dropout", seed=4),
        "keras-cgan": GanRecipe("kernel 7", norm="none", classes="told", last="sigmoid", width=16, seed=5),
    },
    "upsampling gan": {
        "upsampled": GanRecipe("upsampled nearest", batch_statistics=True, seed=6),
        "upsampled-lsgan": GanRecipe("upsampled bilinear", loss="least squares", seed=7),
    },
    "gan collection": {
        "collection-gan": GanRecipe(
            "two dense", last="sigmoid", width=24, lr=2e-4, images=600_000, snapshots=(0.1, 1.0), seed=8
        ),
        "collection-lsgan": GanRecipe("two dense", loss="least squares", width=24, seed=9),
        "collection-dragan": GanRecipe("two dense", loss="dragan", last="sigmoid", width=24, seed=10),
    },
    "mlp gan": {
        "mlp-gan": GanRecipe(
            "mlp", norm="mlp", batch_statistics=True, width=64, lr=2e-4, images=600_000, snapshots=(0.1, 1.0), seed=14
        ),
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
