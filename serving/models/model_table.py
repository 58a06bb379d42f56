"""All models that are served, and why the others are not."""

from collections.abc import Iterator
from dataclasses import dataclass

from serving.engine.served_model import ServedModel
from serving.errors import NotFoundError


@dataclass(frozen=True)
class Entry:
    """A version of a model that is in the repository; with a problem, it cannot be asked, and may have no version."""

    name: str
    version: int | None
    problem: str = ""


class ModelTable:
    """Models by their names and versions."""

    def __init__(self) -> None:
        self._models: dict[str, dict[int, ServedModel]] = {}
        self._problems: list[Entry] = []

    def add(self, model: ServedModel) -> None:
        """Serve it."""
        self._models.setdefault(model.name, {})[model.version] = model

    def cannot(self, name: str, version: int | None, problem: str) -> None:
        """Note that it is not served, and why."""
        self._problems.append(Entry(name, version, problem))

    def get(self, name: str, version: int | None = None) -> ServedModel:
        """A version of a model; None: the highest that is served.

        Raises:
            NotFoundError: It is not served.
        """
        versions = self._models.get(name, {})
        if version is None and versions:
            return versions[max(versions)]
        if version in versions:
            return versions[version]
        why = [f": {entry.problem}" for entry in self.problems_of(name, version)][:1]
        if versions:
            raise NotFoundError(
                f"version {version} of model {name!r} is not served{''.join(why)}; served are {sorted(versions)}"
            )
        raise NotFoundError(f"model {name!r} is not served{''.join(why)}; served are {', '.join(sorted(self._models))}")

    def versions(self, name: str) -> list[int]:
        """The numbers of the versions of a model that are served, ascending."""
        return sorted(self._models.get(name, {}))

    def problems_of(self, name: str, version: int | None = None) -> list[Entry]:
        """Why a model is not served, or a version of it."""
        return [each for each in self._problems if each.name == name and (version is None or each.version == version)]

    def index(self) -> list[Entry]:
        """All of the repository, by names and versions."""
        served = [Entry(model.name, model.version) for model in self]
        return sorted([*served, *self._problems], key=lambda entry: (entry.name, entry.version or 0))

    def __iter__(self) -> Iterator[ServedModel]:
        for versions in self._models.values():
            yield from versions.values()

    def __len__(self) -> int:
        return sum(map(len, self._models.values()))
