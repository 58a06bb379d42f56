"""What a run does: one frozen config, saved with the run and with every checkpoint, and the presets that name some."""

import hashlib
import json
import math
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

LENGTHS = ("images", "epochs", "minutes")
WIDEST = 2**16  # a layer, and a latent vector
MOST = 2**62  # of what is counted
CLASSES = 10  # at most
DIGITS = tuple(map(str, range(CLASSES)))
SMALLEST_STEP, LARGEST_STEP = 0.5, 2  # in multiples of the batch size that the learning rates are for


def _split(widths: Any) -> Any:
    return widths.split(",") if isinstance(widths, str) else widths


def _named(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names) or not all(name.strip() and name.isprintable() for name in names):
        raise ValueError("the names of the classes must differ, and be printable")
    return names


Names = Annotated[
    tuple[str, ...], BeforeValidator(_split), Field(max_length=CLASSES), AfterValidator(_named)
]  # on a command line: cat,dog
Widths = Annotated[
    tuple[Annotated[int, Field(gt=0, le=WIDEST)], ...], BeforeValidator(_split), Field(min_length=1)
]  # on a command line: 512,256


class TrainingConfig(BaseModel):
    """Every choice that changes what a run makes. Where it runs (device, folders) is not part of it.

    A run's length is given in exactly one of `images`, `epochs` and `minutes`; only the first two repeat exactly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    preset: str = Field("default", description="name of the preset that the config began as")
    dataset: str = Field("auto", description="data set by name; auto: MNIST, else scikit-learn's small digits")
    class_names: Names = Field(
        DIGITS, description="names of the classes, from class 0 on (default: those of the data set)"
    )
    as_is: bool = Field(
        False, description="pictures of another size are cropped and reduced, and no digit is looked for in them"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the weights, the data order and the latents")

    processes: int = Field(
        0,
        ge=0,
        description="processes of one thread each that train together on a CPU; 0: as many as cores, told at the start",
    )

    images: int | None = Field(None, gt=0, le=MOST, description="length of the run: real images shown")
    epochs: int | None = Field(None, gt=0, le=2**31, description="length of the run: passes over the training set")
    minutes: float | None = Field(
        None,
        gt=0,
        description="length of the run: a time budget, with the detector on top (does not repeat exactly)",
    )
    batch_size: int = Field(128, ge=2, le=2**20, description="real images in a step")

    latent_size: int = Field(50, gt=0, le=WIDEST, description="normals in a latent vector")
    class_conditional: bool = Field(True, description="a digit can be asked for")
    generator_hidden: Widths = Field((256, 512), description="widths of the generator's hidden layers")
    discriminator_hidden: Widths = Field((256, 256), description="widths of the discriminator's hidden layers")
    generator_channels: int = Field(
        32,
        ge=0,
        le=4096,
        multiple_of=2,
        description="channels of the grid that the generator's transposed convolutions begin with; 0: none, pixels",
    )
    discriminator_channels: int = Field(
        8,
        ge=0,
        le=4096,
        description="channels of the discriminator's first convolution, the second has twice; 0: none, pixels",
    )
    generator_batch_norm: bool = Field(False, description="BatchNorm1d in the generator")
    discriminator_batch_norm: bool = Field(False, description="BatchNorm1d in the discriminator")
    pixel_mean: float = Field(0.5, description="mean of Normalize(mean, std), on pixels in [0, 1]")
    pixel_std: float = Field(0.5, gt=0, description="std of Normalize(mean, std)")

    generator_lr: float = Field(3e-3, gt=0, description="Adam's learning rate for the generator")
    discriminator_lr: float = Field(3e-3, gt=0, description="Adam's learning rate for the discriminator")
    generator_pace: float = Field(
        0.050,
        ge=0,
        description="pace of the generator, see governor.py; 0: not governed",
    )
    discriminator_pace: float = Field(0.114, ge=0, description="the same of the discriminator")
    lr_batch_size: int = Field(
        128, ge=0, description="batch size that the learning rates are for; they follow the square root; 0: they do not"
    )
    adam_beta1: float = Field(0.0, ge=0, lt=1, description="Adam's beta 1")
    adam_beta2: float = Field(0.99, ge=0, lt=1, description="Adam's beta 2")
    generator_lr_end: float = Field(
        0.03, ge=0, le=1, description="share of the generator's learning rate that a cosine leaves at the end"
    )
    discriminator_lr_end: float = Field(0.3, ge=0, le=1, description="the same of the discriminator's")
    r1_gamma: float = Field(1.0, ge=0, description="weight of the R1 penalty on real images; 0: none")
    r1_interval: int = Field(4, gt=0, description="steps between two R1 penalties, each weighted by as many")
    r1_images: int | None = Field(64, gt=0, description="images of a batch that the penalty looks at; absent: all")
    fresh_latents: bool = Field(False, description="new latents for the generator's step, else the discriminator's")
    ema_half_life: float = Field(20_000, ge=0, description="of the generator's moving average, in images; 0: none")
    ema_ramp: float = Field(0.1, gt=0, description="the half-life is at most this share of the images seen so far")
    bfloat16: bool = Field(True, description="bfloat16 autocast where the hardware has it")

    detector_images: int = Field(
        0, ge=0, description="real images on which a detector is trained, G frozen; 0: the discriminator has to do"
    )
    detector_channels: int = Field(8, gt=0, le=4096, description="channels of the detector's first convolution")
    detector_pool: int = Field(
        1_500, ge=0, description="images of each class that go through picture files and back, for the detector"
    )
    detector_lr: float = Field(2e-3, gt=0, description="Adam's learning rate in the detector stage")

    milestone_images: int | None = Field(None, gt=0, le=MOST, description="images between two sheets; absent: an epoch")
    measure_milestones: int = Field(
        1, ge=0, description="milestones from one measurement on held-out digits to the next; 0: the last one is taken"
    )
    measure_fully: bool = Field(True, description="all figures at the end; else the Fréchet distance alone")
    log_steps: int = Field(100, gt=0, le=MOST, description="steps between two readings of the losses")
    print_losses: bool = Field(False, description="a line on the terminal for every reading of the losses")

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        given = [name for name in LENGTHS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a run's length is given in exactly one of {', '.join(LENGTHS)}; here: {given or 'none'}")
        return self

    @model_validator(mode="after")
    def _averages_no_batch_norm(self) -> Self:
        if self.generator_batch_norm and self.ema_half_life:
            raise ValueError(
                "generator_batch_norm and ema_half_life > 0 exclude each other: BatchNorm's running statistics belong "
                "to the generator's own weights, not to their average"
            )
        return self

    @model_validator(mode="after")
    def _shares_no_batch_norm(self) -> Self:
        if self.processes > 1 and (self.generator_batch_norm or self.discriminator_batch_norm):
            raise ValueError("processes > 1 and BatchNorm exclude each other: its statistics are of a batch")
        if 2 * self.processes > self.step_size:
            raise ValueError(
                f"processes = {self.processes} is more than {self.step_size // 2}: each takes two images or more of a "
                f"step's {self.step_size}"
            )
        return self

    @property
    def step_size(self) -> int:
        """Real images in a step: the batch size, kept near that of the learning rates where those are governed.

        A rate that follows a larger batch would leave what the networks bear, one that does not would leave too few
        steps in the run: 200,000 images in batches of 1,024 came to 20 times the floor, in batches of 128 to 5.7. A
        small batch makes noisy steps that cost as much time as large ones: a minute in batches of 16 came to 12.5.
        """
        if not (self.generator_pace and self.discriminator_pace and self.lr_batch_size):
            return self.batch_size
        smallest, largest = (math.ceil(share * self.lr_batch_size) for share in (SMALLEST_STEP, LARGEST_STEP))
        return min(max(self.batch_size, smallest), largest)

    @property
    def classes(self) -> int:
        """Number of classes that the networks know, or 0 for a pair without."""
        return len(self.class_names) if self.class_conditional else 0

    @property
    def told_classes(self) -> int:
        """Number of classes that a detector tells apart: those of the data set, or 1 where it has none."""
        return max(1, len(self.class_names))

    def with_options(self, options: dict[str, Any]) -> Self:
        """A copy with some fields replaced and all of them validated; a new length takes the place of the old one.

        Raises:
            pydantic.ValidationError: A field is unknown or its value out of bounds.
        """
        fields = self.model_dump()
        if any(options.get(name) is not None for name in LENGTHS):
            fields.update(dict.fromkeys(LENGTHS))
        return type(self).model_validate(fields | options)

    def digest(self) -> str:
        """SHA-256 of the config as canonical JSON: equal for equal configs."""
        canonical = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


PRESETS = {
    # The tutorial's recipe, to the letter.
    "article": TrainingConfig(
        preset="article",
        epochs=1_000,
        class_conditional=False,
        generator_hidden=(128, 256, 512, 1024),
        discriminator_hidden=(512, 256),
        generator_channels=0,
        discriminator_channels=0,
        generator_batch_norm=True,
        discriminator_batch_norm=True,
        pixel_mean=0.1,
        pixel_std=0.5,
        generator_lr=3e-4,
        discriminator_lr=3e-4,
        generator_pace=0,
        discriminator_pace=0,
        lr_batch_size=0,
        adam_beta1=0.9,
        adam_beta2=0.999,
        generator_lr_end=1.0,
        discriminator_lr_end=1.0,
        r1_gamma=0,
        r1_images=None,
        fresh_latents=True,
        ema_half_life=0,
        measure_milestones=10,
        print_losses=True,
    ),
    # What is wrong with it, put right, within two minutes on two cores: pixels where tanh reaches them; no BatchNorm,
    # whose statistics differ between a batch of reals and one of fakes; R1 against an overconfident discriminator; Adam
    # without momentum; two small convolutions, which leave no speckles; the moving average of the generator, which
    # settles where the generator itself circles; and rates as high as training still bears, of which the generator's
    # falls further, so that the discriminator keeps up with it. docs/training.md has the measurements.
    "default": TrainingConfig(images=500_000, milestone_images=100_000, detector_images=200_000),
    # The same with wider layers and for longer, which allows a longer average: the pair in models/.
    "best": TrainingConfig(
        preset="best",
        images=8_000_000,
        generator_lr=2e-3,
        discriminator_lr=2e-3,
        generator_channels=64,
        discriminator_channels=16,
        discriminator_hidden=(512, 256),
        detector_channels=16,
        generator_pace=0.0425,
        discriminator_pace=0.1155,
        generator_lr_end=0.02,
        ema_half_life=100_000,
        milestone_images=200_000,
        detector_images=2_400_000,
        detector_pool=20_000,
    ),
}
