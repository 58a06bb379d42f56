"""The model card, and the weights as safetensors: what a pair needs to go out into the world, on the Hugging Face Hub
for one.

Both begin with the same description of the pair, texts by name, as docs/model-metadata.md lists them. An exported model
carries it too, so that a card can be written from any of them.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from safetensors.torch import save
from torch import Tensor

from digitforge.machine.whole_file import write_whole
from evaluation.classifier import VERSION
from training.checkpoint import Checkpoint
from training.figures import tell_figures, write_duration

MODEL_CARD = "MODEL_CARD.md"
TEMPLATES = Path(__file__).parent / "templates"
# The data sets' full names, and where they are on the Hub.
DATA_SETS = {
    "mnist": ("MNIST", "ylecun/mnist"),
    "fashion-mnist": ("Fashion-MNIST", "zalando-datasets/fashion_mnist"),
    "kmnist": ("Kuzushiji-MNIST", None),
    "qmnist": ("QMNIST", None),
    "emnist-digits": ("EMNIST Digits", None),
    "sklearn-digits": ("scikit-learn's digits", None),
}


def describe(run: Checkpoint) -> dict[str, str]:
    """The description of a finished run's pair."""
    if run.quality is None:
        raise ValueError(f"run {run.run_id} is not finished")
    return {
        "run_id": run.run_id,
        "dataset": run.dataset,
        "preset": run.config.preset,
        "latent_size": str(run.config.latent_size),
        "classes": str(run.config.classes),
        "class_names": json.dumps(run.config.class_names[: run.config.classes], ensure_ascii=False),
        "images_seen": str(run.images_seen),
        "training_seconds": f"{run.elapsed_s:.0f}",
        "source_commit": run.source_commit,
        "config": json.dumps(run.config.model_dump(), sort_keys=True),
        "config_hash": run.config.digest(),
        "quality": quality_text(run.quality),
    }


def quality_text(quality: Mapping[str, float]) -> str:
    """Figures by name as JSON, six digits each."""
    return json.dumps({name: float(f"{value:.6g}") for name, value in quality.items()})


def write_model_card(run: Checkpoint, path: Path) -> Path:
    """Write the card of a finished run into its folder, and return the card's path."""
    card = path / MODEL_CARD
    write_whole(card, model_card(describe(run)))
    return card


def model_card(about: Mapping[str, str], loading: str | None = None) -> str:
    """The card as Markdown, with the front matter that the Hugging Face Hub reads.

    Args:
        about: The description of the pair; keys that the card does not know are passed over.
        loading: Markdown that says how to load the model; None: as PyTorch weights from the two safetensors files.
    """
    dataset, hub_dataset = DATA_SETS.get(about["dataset"], (about["dataset"], None))
    conditional = int(about["classes"]) > 0
    quality: dict[str, float] = json.loads(about["quality"])
    config = json.loads(about["config"])
    figures = tell_figures({name: value for name, value in quality.items() if name != "test_images"})
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_without_markup,
    )
    environment.filters["quoted"] = partial(json.dumps, ensure_ascii=False)  # a string of JSON is one of YAML
    environment.filters["decimal"] = _decimal
    if loading is None:
        template = environment.get_template("load_in_pytorch.md")
        loading = template.render(conditional=conditional, sees_more=bool(config["detector_images"])).rstrip()
    return environment.get_template("model_card.md").render(
        about=about,
        dataset=dataset,
        hub_dataset=hub_dataset,
        conditional=conditional,
        class_names=json.loads(about.get("class_names", "[]")),
        tags=["gan", "image-generation", "pytorch", "safetensors", "digitforge", about["dataset"]],
        quality=quality,
        figures=figures,
        test_images=f"{quality['test_images']:,.0f}" if "test_images" in quality else None,
        images_seen=f"{int(about['images_seen']):,}",
        detector_images=f"{config['detector_images']:,}" if config["detector_images"] else None,
        training_time=write_duration(int(about["training_seconds"])),
        config=json.dumps(config, indent=2),
        classifier=VERSION,
        loading=Markup(loading),
    )


def save_safetensors(run: Checkpoint, path: Path) -> None:
    """Write a finished run's weights into its folder, each file with the description and its role as metadata."""
    about = describe(run)
    for role, weights in (("generator", run.generator), ("discriminator", run.discriminator)):
        if weights is None:
            raise ValueError(f"run {run.run_id} has no {role}")
        tensors: dict[str, Tensor] = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
        write_whole(path / f"{role}.safetensors", save(tensors, {"role": role, **about}))


def _without_markup(value: object) -> object:
    """Names that come from outside are no HTML."""
    return value.replace("<", "&lt;") if isinstance(value, str) and not isinstance(value, Markup) else value


def _decimal(value: float) -> str:
    """Without an exponent: YAML 1.1 takes 1e-05 for a text."""
    return f"{Decimal(str(value)):f}"
