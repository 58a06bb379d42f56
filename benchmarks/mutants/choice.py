"""The mutants of a module as cosmic-ray makes them, without those that no test could notice, and a sample of them."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec

from benchmarks.mutants.unnoticeable import OPERATORS, Span, spans


@dataclass(frozen=True)
class Mutant:
    """A module with one fault in it.

    Attributes:
        module: Path from the root of the tree.
        line: Of the fault, from 1.
        operator: cosmic-ray's name for what was done there.
        source: The whole module.
    """

    module: str
    line: int
    operator: str
    source: str


@dataclass
class Place:
    """Where there is something to mutate, and in which ways."""

    module: str
    span: Span
    rank: bytes
    specs: list[MutationSpec]

    def mutants(self, source: str) -> Iterator[Mutant]:
        """Those that are Python; cosmic-ray has no mutant of an exception whose name has a dot."""
        for spec in self.specs:
            try:
                changed = mutate_code(source, get_operator(spec.operator_name)(), spec.occurrence)
                compile(changed, self.module, "exec")
            except (SyntaxError, AttributeError):
                continue
            yield Mutant(self.module, self.span[0][0], spec.operator_name.removeprefix("core/"), changed)


def sample(tree: Path, modules: Iterable[str], seed: int, most: int | None) -> list[Mutant]:
    """One mutant at each of so many places, in the order of the source.

    Places are drawn, not mutants: a `+` has eleven of them and a `not` one. The draw follows from the seed and the
    place's function and line, so that a line that stays keeps its mutants whatever comes and goes around it.

    Args:
        tree: The root of a source tree.
        modules: Paths from there.
        seed: Of the draw.
        most: How many places; None for every mutant at every place.
    """
    sources = {module: (tree / module).read_text() for module in modules}
    places = sorted(
        (place for module, source in sources.items() for place in _places(tree / module, module, source, seed)),
        key=lambda place: (place.rank, place.module, place.span),
    )
    each = (list(islice(place.mutants(sources[place.module]), None if most is None else 1)) for place in places)
    drawn = islice(filter(None, each), most)
    return sorted((mutant for mutants in drawn for mutant in mutants), key=lambda mutant: (mutant.module, mutant.line))


def _places(path: Path, module: str, source: str, seed: int) -> Iterator[Place]:
    with use_db(":memory:", WorkDB.Mode.create) as session:
        init([path], session, {})
        specs = sorted(
            (spec for item in session.work_items for spec in item.mutations),
            key=lambda spec: (spec.operator_name, spec.occurrence),
        )
    never = list(spans(source))
    at = defaultdict[Span, list[MutationSpec]](list)
    for spec in specs:
        span = (spec.start_pos, spec.end_pos)
        if not OPERATORS.fullmatch(spec.operator_name) and not any(a <= span[0] and span[1] <= b for a, b in never):
            at[span].append(spec)
    lines = source.splitlines()
    for span, ways in at.items():
        line = lines[span[0][0] - 1]
        name = f"{seed} {ways[0].definition_name} {line.strip()} {span[0][1] - len(line)}"
        order = [_rank(f"{name} {spec.operator_name} {number}") for number, spec in enumerate(ways)]
        yield Place(module, span, _rank(name), [spec for _, spec in sorted(zip(order, ways, strict=True))])


def _rank(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
