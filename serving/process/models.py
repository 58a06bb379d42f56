"""All that a worker serves, loaded: the digits' pair where the repository has one, and every model by itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from digitforge.tensors import DATATYPES
from serving.digits.pair import Pair
from serving.engine.served_model import ServedModel
from serving.engine.signature import Tensor
from serving.models.loading import Observe, load_model
from serving.models.model_table import ModelTable
from serving.repository.choice import Choice
from serving.repository.model_config import ModelConfig, RepositoryError
from serving.repository.model_repository import PAIR
from serving.settings import Settings


@dataclass
class Loaded:
    """What is served.

    Attributes:
        table: All models, those of the pair as well.
        pairs: Versions of the digits, by their numbers.
        lines: About all of it, for a person.
    """

    table: ModelTable = field(default_factory=ModelTable)
    pairs: dict[int, Pair] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    async def close(self) -> None:
        """Answer what waits, then stop."""
        for model in self.table:
            await model.close()


def load(choice: Choice, provider: str, threads: int, settings: Settings, observe: Observe) -> Loaded:
    """Load what is to be served; within a running event loop. What cannot be is left out, unless it is to be strict.

    Raises:
        RepositoryError: Nothing can be served; or, where it is to be strict, something cannot.
        DeviceError: The device cannot be had.
    """
    loaded = Loaded()
    problems: list[str] = []

    def cannot(problem: str, *models: tuple[str, int | None]) -> None:
        problems.append(problem)
        for name, version in models:
            loaded.table.cannot(name, version, within(choice.repository, problem))

    if choice.pair_problem:
        cannot(choice.pair_problem, *((name, None) for name in PAIR))
    for number in choice.pair:
        try:
            pair = Pair(choice.repository, number, provider, threads, settings, observe)
        except RepositoryError as error:
            cannot(str(error), *((name, number) for name in PAIR))
            continue
        loaded.pairs[number] = pair
        loaded.lines += pair.about()
        for model in pair.models.values():
            loaded.table.add(model)
    for other in choice.others:
        if other.problem:
            cannot(other.problem, (other.name, None))
        for version, path in other.paths.items():
            try:
                model = load_model(other.name, version, path, other.config, provider, threads, settings, observe)
            except RepositoryError as error:
                cannot(str(error), (other.name, version))
                continue
            loaded.table.add(model)
            loaded.lines.append(_about(model))
    if problems and (settings.strict or not len(loaded.table)):
        raise RepositoryError(problems[0])
    loaded.lines += [f"warning: not served: {problem}" for problem in problems]
    configs = [ModelConfig.read(choice.repository / name) for name in PAIR if loaded.pairs]
    configs += [other.config for other in choice.others]
    loaded.lines += [f"{each.path}: not obeyed: {', '.join(each.not_obeyed)}" for each in configs if each.not_obeyed]
    return loaded


def within(repository: Path, problem: str) -> str:
    """A problem as callers are told of it: where the repository lies is not for them."""
    for path in dict.fromkeys(map(str, (repository, repository.resolve()))):
        problem = problem.replace(f"{path}/", "").removeprefix(f"{path}: ").replace(f" in {path}: ", ": ")
    return problem


def _about(model: ServedModel) -> str:
    """A line for a person."""

    def told(tensors: Iterable[Tensor]) -> str:
        return ", ".join(f"{tensor.name} {DATATYPES[tensor.dtype]}{list(tensor.shape)}" for tensor in tensors)

    how = f"in batches of up to {model.max_batch_rows}" if model.max_request_rows else "one request at a time"
    why = f" ({model.why_one_at_a_time})" if model.why_one_at_a_time else ""
    tensors = f"{told(model.inputs.values())} -> {told(model.outputs.values())}"
    return f"version {model.version} of {model.name}: {tensors}, {how}{why}, on {model.runner.provider}"
