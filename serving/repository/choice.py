"""What of a repository is to be served: the digits' pair, where it has one, and every other model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.repository.model_config import ModelConfig, RepositoryError
from serving.repository.model_repository import (
    FP32,
    PAIR,
    choose_versions,
    holds_pair,
    model_path,
    nothing_in,
    other_models,
    versions_of,
)


@dataclass(frozen=True)
class Candidate:
    """A model that stands alone, and what of it is to be served.

    Attributes:
        name: Its folder's.
        config: What its file says.
        paths: The model files of the versions that are to be served, by their numbers, ascending.
        problem: Why none is, where none is.
    """

    name: str
    config: ModelConfig
    paths: Mapping[int, Path]
    problem: str = ""


@dataclass(frozen=True)
class Choice:
    """What of a repository is to be served.

    Attributes:
        repository: Its folder.
        pair: Versions of the digits' pair, ascending.
        pair_problem: Why there is none, where the repository has both of its models' folders.
        others: The other models.
    """

    repository: Path
    pair: Sequence[int]
    pair_problem: str
    others: Sequence[Candidate]

    def check(self, strict: bool) -> None:
        """See whether there is something to serve; or, strictly, whether everything is to be.

        Raises:
            RepositoryError: With what is wrong first.
        """
        problems = [problem for problem in (self.pair_problem, *(each.problem for each in self.others)) if problem]
        if problems and (strict or not (self.pair or any(each.paths for each in self.others))):
            raise RepositoryError(problems[0])


def choose(repository: Path, asked: list[int], variant: str = FP32) -> Choice:
    """What of a repository is to be served: of every model the versions that are asked for, or else by its policy.

    Raises:
        RepositoryError: What is asked for is not there.
    """
    pair: list[int] = []
    pair_problem = ""
    if holds_pair(repository):
        try:
            pair = choose_versions(repository, asked)
        except RepositoryError as error:
            if asked:
                raise
            pair_problem = str(error)
        else:
            pair_problem = "" if pair else nothing_in(repository)
    for model in PAIR:
        for version in pair:
            model_path(repository, model, version, variant)
    return Choice(
        repository, pair, pair_problem, [_candidate(repository / name, asked) for name in other_models(repository)]
    )


def _candidate(model: Path, asked: list[int]) -> Candidate:
    try:
        config = ModelConfig.read(model)
    except RepositoryError as error:
        return Candidate(model.name, ModelConfig(model), {}, str(error))
    there = versions_of(model, config)
    chosen = set(there) & set(asked) if asked else config.versions(there)
    problem = ""
    if not there:
        problem = f"{model}: no version is there: a version N is when N/{config.model_file} is"
    elif not chosen:
        why = f"{sorted(set(asked))} are asked for" if asked else "its version_policy chooses none"
        problem = f"{model}: no version is served: there are {list(there)}, and {why}"
    return Candidate(model.name, config, {number: path for number, path in there.items() if number in chosen}, problem)
