"""What a command says where its extra is not installed, and that the extras bring what the commands import."""

import importlib
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from digitforge.extras import MODULES

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
WITHOUT = {"uvloop"}  # the server runs without, on asyncio's own loop
ON_DEMAND = {"pyarrow"}  # of the extra `parquet`; who needs it and has it not is told so
COMMANDS = {
    "serving": ("digitforge-serve", "serve"),
    "training": ("digitforge-train", "train"),
    "export": ("digitforge-export", "train"),
    "judge": ("digitforge-evaluate", "train"),
    "page": ("digitforge-page", "page"),
}


@pytest.mark.parametrize("room", COMMANDS)
def test_command_whose_extra_is_not_there_says_which_in_a_line(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command, extra = COMMANDS[room]
    monkeypatch.setitem(MODULES, extra, (*MODULES[extra], "no_such_module"))
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"{room}.__main__").main()
    # What sys.exit is called with goes to stderr, and the exit code is 1.
    assert end.value.code == f"{command} needs the extra '{extra}': pip install 'digitforge[{extra}]'"


@pytest.mark.parametrize("extra", MODULES)
def test_modules_are_those_that_the_extra_installs(extra: str) -> None:
    distributions = set(wanted(extra)) - WITHOUT
    of_module = {module: set(map(canonicalize_name, names)) for module, names in packages_distributions().items()}
    for module in MODULES[extra]:
        assert of_module[module] & distributions, f"{module} is of none of {sorted(distributions)}"
    for distribution in distributions:
        assert any(distribution in of_module[module] for module in MODULES[extra]), f"no module of {distribution}"


@pytest.mark.parametrize("room", ["digitforge", *COMMANDS])
def test_whatever_a_command_imports_is_the_clients_or_of_its_extra(room: str) -> None:
    rooms = ("digitforge", "evaluation", "export", "judge", "page", "protos", "serving", "training")
    graph = grimp.build_graph(*rooms, include_external_packages=True, cache_dir=None)
    imported = {module.partition(".")[0] for module in graph.find_upstream_modules(f"{room}.__main__")}
    installed = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    installed |= set(wanted("heic"))  # imported only where a file asks for it, and it is there
    if room in COMMANDS:
        installed |= set(wanted(COMMANDS[room][1]))
    of_module = packages_distributions()
    for module in imported - {*rooms, *sys.stdlib_module_names, *ON_DEMAND}:
        assert {*map(canonicalize_name, of_module[module])} & installed, f"{module} is imported and not installed"


def wanted(extra: str) -> Iterator[NormalizedName]:
    """The names of the distributions that an extra installs on this machine."""
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if requirement.name == "digitforge":
            yield from (name for other in requirement.extras for name in wanted(other))
        elif requirement.marker is None or requirement.marker.evaluate():
            yield canonicalize_name(requirement.name)
