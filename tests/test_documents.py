"""What the pages say is there: files, headings, targets, options. What runs is in end_to_end/test_documents.py."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch.distributed.run import get_args_parser

import benchmarks.attacks.__main__
import benchmarks.beside_work
import benchmarks.game_digits
import benchmarks.kinds_of_pictures
import benchmarks.mutants.__main__
import benchmarks.page_load
import benchmarks.record_film
import benchmarks.record_school
import benchmarks.renew_detector
import benchmarks.score_strangers
import benchmarks.serving_load.__main__
import digitforge.command
import export.command
import judge.command
import page.command
import tests.browser.pictures
import training.fakes.train
import training.options
from serving.settings import Settings, SettingsRefusedError
from tests.documents import PAGES, ROOT, Command, anchors, commands, inline_code, links

# What is not ours, or has no options to be wrong.
OTHERS = {"buf", "curl", "grpc_tools.protoc", "grpcurl", "mypy", "pytest", "ruff", "source"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    broken = []
    for link in links(page):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        there = page.parent / name if name else page
        if not there.exists() or (heading and heading not in anchors(there)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_programs_that_are_named_are_there(page: Path) -> None:
    names = [name for name in inline_code(page) if name.endswith(".py") and " " not in name]
    assert [name for name in names if not (ROOT / name).exists() and not any(ROOT.glob(f"[!.]*/**/{name}"))] == []


def serve_options(arguments: list[str]) -> Settings:
    try:
        return Settings.load(arguments)
    except SettingsRefusedError as error:
        raise SystemExit(str(error)) from error


READERS: dict[str, Callable[[list[str]], Any]] = {
    "digitforge": digitforge.command.build_parser().parse_args,
    "digitforge-evaluate": judge.command.build_parser().parse_args,
    "digitforge-export": export.command.build_parser().parse_args,
    "digitforge-page": page.command.build_parser().parse_args,
    "digitforge-serve": serve_options,
    "digitforge-train": training.options.build_parser().parse_args,
    "training.fakes.train": training.fakes.train.build_parser().parse_args,
    "training": training.options.build_parser().parse_args,  # as a module
    "benchmarks.attacks": benchmarks.attacks.__main__.build_parser().parse_args,
    "benchmarks.beside_work": benchmarks.beside_work.build_parser().parse_args,
    "benchmarks.game_digits": benchmarks.game_digits.build_parser().parse_args,
    "benchmarks.kinds_of_pictures": benchmarks.kinds_of_pictures.build_parser().parse_args,
    "benchmarks.mutants": benchmarks.mutants.__main__.build_parser().parse_args,
    "benchmarks.page_load": benchmarks.page_load.build_parser().parse_args,
    "benchmarks.record_film": benchmarks.record_film.build_parser().parse_args,
    "benchmarks.record_school": benchmarks.record_school.build_parser().parse_args,
    "benchmarks.renew_detector": benchmarks.renew_detector.build_parser().parse_args,
    "benchmarks.score_strangers": benchmarks.score_strangers.build_parser().parse_args,
    "tests.browser.pictures": tests.browser.pictures.build_parser().parse_args,
    "benchmarks.serving_load": benchmarks.serving_load.__main__.build_parser().parse_args,
}


def check(words: list[str]) -> None:
    """Fail if the command, or a command that it starts, is not there or does not know its options."""
    program, *arguments = words
    name = Path(program).name
    if name == "make":
        for made in recipes(arguments):
            check(made)
    elif name == "torchrun":
        launched = get_args_parser().parse_args(arguments)
        assert launched.module
        check([launched.training_script, *launched.training_script_args])
    elif words[1:2] == ["-m"]:
        check(arguments[1:])
    elif name not in OTHERS:
        READERS[name](arguments)


def recipes(arguments: list[str]) -> Iterator[list[str]]:
    """The commands that a call of make would run, in an environment that has everything."""
    there = [word for kind in ("serve", "page", "train", "dev") for word in ("-o", f"{sys.prefix}/{kind}.stamp")]
    command = ["make", "--dry-run", f"VENV={sys.prefix}", *there, *arguments]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    yield from (
        shlex.split(line) for line in made.stdout.replace("\\\n", " ").splitlines() if line.startswith(sys.prefix)
    )


@pytest.mark.parametrize("command", [command for page in PAGES for command in commands(page)], ids=str)
def test_commands_are_there_and_know_their_options(command: Command) -> None:
    try:
        check(command.words)
    except SystemExit as refused:
        pytest.fail(f"{command}: {shlex.join(command.words)}: refused ({refused})")
