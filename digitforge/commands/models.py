"""`digitforge models`: the model versions that a server has."""

import argparse
import json
from dataclasses import asdict

from digitforge.client import Client
from digitforge.commands.options import OK
from digitforge.messages import Model

DOES = "tell which model versions there are"
TELLS = "A line per version that is served; version 0 means the one with a star."
HEADINGS = (
    "version",
    "run",
    "data set",
    "classes",
    "latents",
    "threshold",
    "one digit",
    "variant",
    "provider",
    "generator",
)
HASH_DIGITS = 12  # enough to tell files apart; --json has all


def add_options(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


def run(client: Client, options: argparse.Namespace) -> int:
    """Print a line per version, ascending."""
    models = client.models()
    if options.json:
        for model in models:
            print(json.dumps(asdict(model)))
        return OK
    rows = [HEADINGS, *map(cells, models)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return OK


def cells(model: Model) -> tuple[str, ...]:
    """A version's line, in the order of the headings; the default has a star."""
    return (
        f"{model.version}{' *' if model.is_default else ''}",
        model.run_id,
        model.dataset,
        ", ".join(model.class_names) or "none",
        str(model.latent_size),
        f"{model.threshold:.4g}",
        "none" if model.one_digit_threshold is None else f"{model.one_digit_threshold:.4g}",
        model.variant,
        model.provider,
        model.generator_sha256[:HASH_DIGITS],
    )
