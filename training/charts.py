"""Which curves of a run are drawn together, and how: the same in the report, in plots/ and in TensorBoard."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """One curve of a chart.

    Attributes:
        key: Its name in the metrics.
        label: Its name in the chart.
        side: What it is about, which gives its colour: `real` (also the discriminator), `fake` (also the generator).
    """

    key: str
    label: str
    side: str


@dataclass(frozen=True)
class Chart:
    """Curves over the run that share an axis.

    Attributes:
        name: Of the file in plots/.
        title: In a few words.
        note: How to read it.
        series: Its curves.
        log: The axis is logarithmic.
        limits: The ends of the axis where they are given.
        share: Values are shown as percentages.
        line: A value that a line is drawn at, and the line's label.
        shows_imbalances: The parts of the run in which the trainer saw the pair out of balance are shaded.
        marks_best: The best snapshot is marked.
    """

    name: str
    title: str
    note: str
    series: tuple[Series, ...]
    log: bool = False
    limits: tuple[float, float] | None = None
    share: bool = False
    line: tuple[float, str] | None = None
    shows_imbalances: bool = False
    marks_best: bool = False


CHARTS = (
    Chart(
        "losses",
        "Losses",
        "Neither should run away; in a GAN they need not fall.",
        (Series("d_loss", "discriminator", "real"), Series("g_loss", "generator", "fake")),
        shows_imbalances=True,
    ),
    Chart(
        "balance",
        "Scores of the discriminator",
        "The mean probability of being real that D gives. Far apart, D tells them easily; at 50% it cannot.",
        (Series("d_real", "real images", "real"), Series("d_fake", "fakes", "fake")),
        limits=(0, 1),
        share=True,
        line=(0.5, "balance"),
        shows_imbalances=True,
    ),
    Chart(
        "accuracy",
        "Accuracy of the discriminator",
        "The share of images that D judges right.",
        (Series("d_real_accuracy", "real images", "real"), Series("d_fake_accuracy", "fakes", "fake")),
        limits=(0, 1),
        share=True,
        line=(0.5, "a guess"),
        shows_imbalances=True,
    ),
    Chart(
        "quality",
        "Fréchet distance, in multiples of the floor",
        "How far the fakes are from held-out real images. Lower is better; other real images get 1.",
        (Series("frechet_ratio", "fakes", "fake"),),
        log=True,
        line=(1, "floor"),
        marks_best=True,
    ),
    Chart(
        "recognised",
        "Recognised as asked",
        "The share of fakes in which a classifier sees the digit that was asked for.",
        (Series("recognised_as_asked", "fakes", "fake"),),
        limits=(0, 1),
        share=True,
        marks_best=True,
    ),
    Chart(
        "gradient",
        "Gradient norm of the generator",
        "How hard D pulls. Near nothing, the generator has stopped learning; high peaks shake it.",
        (Series("g_gradient_norm", "generator", "fake"),),
        log=True,
    ),
    Chart(
        "diversity",
        "Diversity",
        "How much fakes of the same kind differ, in multiples of real images. A fall to nothing is a mode collapse.",
        (Series("diversity", "fakes", "fake"),),
        line=(1, "real images"),
        shows_imbalances=True,
    ),
    Chart(
        "pace",
        "Pace",
        "How much a step changes each network, in multiples of the pace at which training is known to work.",
        (Series("discriminator_pace", "discriminator", "real"), Series("generator_pace", "generator", "fake")),
        log=True,
        line=(1, "known to work"),
        shows_imbalances=True,
    ),
    Chart(
        "rates",
        "Learning rates, in multiples of the planned",
        "What the trainer makes of them to keep the pair in balance.",
        (Series("d_rate", "discriminator", "real"), Series("g_rate", "generator", "fake")),
        line=(1, "as planned"),
        shows_imbalances=True,
    ),
)


def tensorboard_layout() -> dict[str, dict[str, list[str | list[str]]]]:
    """The same charts for TensorBoard's custom scalars: for `SummaryWriter.add_custom_scalars`."""
    return {"run": {chart.title: ["Multiline", [f"^{one.key}$" for one in chart.series]] for chart in CHARTS}}
