"""A loaded pair of models: what is refused at loading, and what it answers."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from serving.device import CPU
from serving.model_repository import RepositoryError
from serving.served_version import ServedVersion
from serving.settings import Settings


@pytest.fixture
def settings() -> Settings:
    return Settings.load([])


@pytest.fixture
def repository(model_repository: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(model_repository, tmp_path / "models"))


@pytest.fixture
def load(settings: Settings) -> Callable[..., None]:
    """Loads a version and closes it again."""

    def load(repository: Path, number: int = 1) -> None:
        async def test() -> None:
            await ServedVersion(repository, number, CPU, 1, settings).close()

        asyncio.run(test())

    return load


def with_version(
    repository: Path, number: int, settings: Settings, test: Callable[[ServedVersion], Coroutine[Any, Any, None]]
) -> None:
    async def run() -> None:
        version = ServedVersion(repository, number, CPU, 1, settings)
        await test(version)
        await version.close()

    asyncio.run(run())


def change(path: Path, edit: Callable[[onnx.ModelProto], object]) -> None:
    model = onnx.load(path)
    edit(model)
    onnx.save(model, path)


def without_key(key: str) -> Callable[[onnx.ModelProto], None]:
    def edit(model: onnx.ModelProto) -> None:
        kept = [entry for entry in model.metadata_props if entry.key != key]
        assert len(kept) == len(model.metadata_props) - 1
        del model.metadata_props[:]
        model.metadata_props.extend(kept)

    return edit


def test_pair_of_two_different_runs_is_refused_with_both(repository: Path, load: Callable[..., None]) -> None:
    shutil.copy(repository / "discriminator/2/model.onnx", repository / "discriminator/1/model.onnx")
    with pytest.raises(RepositoryError, match=r"version 1 of .* is no pair: .*untrained-1, .*untrained-2"):
        load(repository)


@pytest.mark.parametrize("model", ["generator", "discriminator"])
@pytest.mark.parametrize("key", ["digitforge.schema", "digitforge.run_id", "digitforge.threshold"])
def test_model_without_a_key_is_refused_with_file_and_key(
    model: str, key: str, repository: Path, load: Callable[..., None]
) -> None:
    path = repository / model / "1/model.onnx"
    change(path, without_key(key))
    with pytest.raises(RepositoryError) as refusal:
        load(repository)
    assert str(refusal.value) == f"{path}: its metadata has no {key}"


def test_model_with_other_outputs_is_refused_with_what_was_found(repository: Path, load: Callable[..., None]) -> None:
    path = repository / "discriminator/1/model.onnx"
    change(path, lambda model: model.graph.output.pop(0))
    with pytest.raises(RepositoryError) as refusal:
        load(repository)
    assert str(path) in str(refusal.value)
    assert "expected inputs ['images'] and outputs ['logit', 'real_probability']" in str(refusal.value)
    assert "found ['images'] and ['real_probability']" in str(refusal.value)


def test_generator_that_denies_its_classes_is_refused(repository: Path, load: Callable[..., None]) -> None:
    def edit(model: onnx.ModelProto) -> None:
        next(entry for entry in model.metadata_props if entry.key == "digitforge.classes").value = "0"

    change(repository / "generator/1/model.onnx", edit)
    with pytest.raises(RepositoryError, match=r"expected inputs \['z'\] .* found \['z', 'digit'\]"):
        load(repository)


@pytest.mark.parametrize("content", [b"", b"no model at all"])
def test_file_that_is_no_model_is_refused_by_its_path(
    content: bytes, repository: Path, load: Callable[..., None]
) -> None:
    path = repository / "generator/1/model.onnx"
    path.write_bytes(content)
    with pytest.raises(RepositoryError, match=str(path)):
        load(repository)


@pytest.mark.parametrize("value", ["32", "0", "-4", "nan"])
def test_generator_that_misstates_its_latent_size_is_refused_by_its_path(
    value: str, repository: Path, load: Callable[..., None]
) -> None:
    def edit(model: onnx.ModelProto) -> None:
        next(entry for entry in model.metadata_props if entry.key == "digitforge.latent_size").value = value

    path = repository / "generator/1/model.onnx"
    change(path, edit)
    with pytest.raises(RepositoryError, match=str(path)):
        load(repository)


def test_images_depend_on_seed_index_digit_and_version(model_repository: Path, settings: Settings) -> None:
    found = {}
    for number in (1, 2):

        async def test(version: ServedVersion, number: int = number) -> None:
            for seed, offset, digit in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)):
                images = await version.generate(seed, offset, np.array([digit]), 1, None)
                assert images.dtype == np.uint8
                assert images.shape == (1, 28, 28)
                found[number, seed, offset, digit] = images.tobytes()

        with_version(model_repository, number, settings, test)
    assert len(set(found.values())) == 8


def test_classless_version_needs_no_digits(classless_repository: Path, settings: Settings) -> None:
    async def test(version: ServedVersion) -> None:
        assert version.metadata.classes == 0
        images = await version.generate(0, 0, None, 3, None)
        assert images.dtype == np.uint8
        assert images.shape == (3, 28, 28)
        assert len({image.tobytes() for image in images}) == 3

    with_version(classless_repository, 1, settings, test)


def test_real_probability_is_the_discriminators_own(model_repository: Path, settings: Settings) -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    other = 255 - image

    async def test(version: ServedVersion) -> None:
        first, second = await asyncio.gather(
            version.real_probability(image, None), version.real_probability(other, None)
        )
        assert 0 < first < 1
        assert first != second
        assert await version.real_probability(image, None) == pytest.approx(first, abs=1e-6)

    with_version(model_repository, 1, settings, test)


def test_variant_is_served_instead_of_the_model_where_it_is_asked_for(repository: Path, settings: Settings) -> None:
    for model in ("generator", "discriminator"):  # another version's weights, under the variant's name
        shutil.copy(repository / model / "2/model.onnx", repository / model / "1/model.int8.onnx")
    found = {}

    async def test(version: ServedVersion) -> None:
        found[version.variant] = (await version.generate(0, 0, np.array([0]), 1, None)).tobytes()

    with_version(repository, 1, settings, test)
    with_version(repository, 1, Settings.load(["--variant", "int8"]), test)
    assert found["fp32"] != found["int8"]
