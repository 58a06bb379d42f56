"""A loaded pair of models: what is refused at loading, and what it answers."""

import asyncio
import logging
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from digitforge.machine.onnx_runtime import onnxruntime
from digitforge.machine.processor import kind_of_processor
from serving.digits.pair import Pair
from serving.digits.verdicts import Seen, Thresholds
from serving.engine.device import CPU
from serving.repository.model_repository import RepositoryError
from serving.settings import Settings
from tests.conftest import ONE_DIGIT_THRESHOLD, THRESHOLD


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
            await Pair(repository, number, CPU, 1, settings).close()

        asyncio.run(test())

    return load


async def generate(
    version: Pair, seed: int, offset: int, digits: NDArray[np.int64] | None, count: int, deadline: float | None
) -> NDArray[np.uint8]:
    """Just the images."""
    return (await version.generate(seed, offset, digits, count, deadline))["images"]


def with_version(
    repository: Path, number: int, settings: Settings, test: Callable[[Pair], Coroutine[Any, Any, None]]
) -> None:
    async def run() -> None:
        version = Pair(repository, number, CPU, 1, settings)
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
    assert "found ['images'] and ['real_probability', 'digit_probabilities'" in str(refusal.value)


def test_generator_that_denies_its_classes_is_refused(repository: Path, load: Callable[..., None]) -> None:
    def edit(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            if (told := {"digitforge.classes": "0", "digitforge.class_names": "[]"}.get(entry.key)) is not None:
                entry.value = told

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

        async def test(version: Pair, number: int = number) -> None:
            for seed, offset, digit in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)):
                images = await generate(version, seed, offset, np.array([digit]), 1, None)
                assert images.dtype == np.uint8
                assert images.shape == (1, 28, 28)
                found[number, seed, offset, digit] = images.tobytes()

        with_version(model_repository, number, settings, test)
    assert len(set(found.values())) == 8


def test_images_are_the_same_whatever_is_beside_them_in_the_batch(
    classless_repository: Path, settings: Settings
) -> None:
    end = 2**64
    asked = [(7, end - 2, 2), (7, 0, 2), (7, 2, 3), (8, 5, 1), (end - 1, 0, 1), (7, 5, 1), (7, 2**63 - 1, 2)]

    async def test(version: Pair) -> None:
        alone = [(await generate(version, seed, offset, None, n, None)).tobytes() for seed, offset, n in asked]
        together = await asyncio.gather(*(generate(version, seed, offset, None, n, None) for seed, offset, n in asked))
        assert [images.tobytes() for images in together] == alone
        assert len(set(alone)) == len(asked)
        row = await generate(version, 7, 0, None, 6, None)  # what was asked for in pieces
        assert row.tobytes() == alone[1] + alone[2] + alone[5]

    with_version(classless_repository, 1, settings, test)


def test_classless_version_needs_no_digits(classless_repository: Path, settings: Settings) -> None:
    async def test(version: Pair) -> None:
        assert version.metadata.classes == 0
        images = await generate(version, 0, 0, None, 3, None)
        assert images.dtype == np.uint8
        assert images.shape == (3, 28, 28)
        assert len({image.tobytes() for image in images}) == 3

    with_version(classless_repository, 1, settings, test)


def asked(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """All outputs of a file for images uint8[batch, 28, 28]."""
    session = onnxruntime.InferenceSession(path)
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


def test_what_is_seen_is_the_discriminators_own(model_repository: Path, settings: Settings) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    expected = asked(model_repository / "discriminator/1/model.onnx", images)

    async def test(version: Pair) -> None:
        together = await asyncio.gather(*(version.see(image, None) for image in images))
        alone = [await version.see(image, None) for image in images]
        for found in (together, alone):
            for row, seen in enumerate(found):
                digits = expected["digit_probabilities"][row]
                assert seen.real_probability == pytest.approx(expected["real_probability"][row, 0], abs=1e-6)
                assert seen.digit == digits.argmax()
                assert seen.digit_probability == pytest.approx(digits.max(), abs=1e-6)
                assert seen.one_digit_probability == pytest.approx(expected["one_digit_probability"][row, 0], abs=1e-6)
        assert len({seen.real_probability for seen in alone}) == len(images)

    with_version(model_repository, 1, settings, test)


def without_outputs(*names: str) -> Callable[[onnx.ModelProto], None]:
    def edit(model: onnx.ModelProto) -> None:
        kept = [value for value in model.graph.output if value.name not in names]
        assert len(kept) == len(model.graph.output) - len(names)
        del model.graph.output[:]
        model.graph.output.extend(kept)

    return edit


@pytest.mark.parametrize("is_older", [True, False])
def test_discriminator_without_heads_is_served_and_tells_less(
    repository: Path, settings: Settings, is_older: bool
) -> None:
    path = repository / "discriminator/2/model.onnx"
    change(path, without_outputs("digit_probabilities", "one_digit_probability"))
    if is_older:
        for model in ("generator", "discriminator"):
            change(repository / model / "2/model.onnx", without_key("digitforge.one_digit_threshold"))
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    probability = asked(path, image[np.newaxis])["real_probability"][0, 0]

    async def test(version: Pair) -> None:
        assert version.thresholds == Thresholds(THRESHOLD, None if is_older else ONE_DIGIT_THRESHOLD)
        seen = await version.see(image, None)
        assert seen == Seen(seen.real_probability)
        assert seen.real_probability == pytest.approx(probability, abs=1e-6)

    with_version(repository, 2, settings, test)


def test_discriminator_that_tells_one_digit_and_no_class_is_served(repository: Path, settings: Settings) -> None:
    path = repository / "discriminator/1/model.onnx"
    change(path, without_outputs("digit_probabilities"))
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    expected = asked(path, image[np.newaxis])

    async def test(version: Pair) -> None:
        seen = await version.see(image, None)
        assert (seen.digit, seen.digit_probability) == (None, None)
        assert seen.one_digit_probability == pytest.approx(expected["one_digit_probability"][0, 0], abs=1e-6)

    with_version(repository, 1, settings, test)


def test_variant_is_served_instead_of_the_model_where_it_is_asked_for(repository: Path, settings: Settings) -> None:
    for model in ("generator", "discriminator"):  # another version's weights, under the variant's name
        shutil.copy(repository / model / "2/model.onnx", repository / model / "1/model.int8.onnx")
    found = {}

    async def test(version: Pair) -> None:
        found[version.variant] = (await generate(version, 0, 0, np.array([0]), 1, None)).tobytes()

    with_version(repository, 1, settings, test)
    with_version(repository, 1, Settings.load(["--variant", "int8"]), test)
    assert found["fp32"] != found["int8"]


@pytest.mark.parametrize(
    ("verified_on", "told"),
    [(kind_of_processor(), ""), ("a loom", "a loom"), (None, "no kind of processor that it names")],
)
@pytest.mark.parametrize("variant", ["int8", "fp32"])
def test_a_variant_is_told_with_both_kinds_where_it_was_verified_on_another_kind_of_processor(
    repository: Path, variant: str, verified_on: str | None, told: str
) -> None:
    for model in ("generator", "discriminator"):
        path = repository / model / "1/model.onnx"
        change(path, without_key("digitforge.verified_on"))
        if verified_on:
            change(path, lambda model: model.metadata_props.add(key="digitforge.verified_on", value=verified_on))
        shutil.copy(path, repository / model / "1/model.int8.onnx")
    lines: list[str] = []

    async def test(version: Pair) -> None:
        lines.extend(version.about())

    with_version(repository, 1, Settings.load(["--variant", variant]), test)
    assert lines[0].startswith(f"version 1 of {repository}: run untrained-1")
    if told and variant == "int8":
        start = f"warning: variant int8 of version 1 was verified on {told}, and this is {kind_of_processor()}:"
        assert lines[1].startswith(start)
        assert len(lines) == 2
    else:
        assert len(lines) == 1


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the CPU for a GPU: buckets, bound buffers, and graphs that ONNX Runtime makes none of there."""
    monkeypatch.setattr("serving.engine.served_model.CUDA", CPU)


@pytest.fixture
def bound_runs(monkeypatch: pytest.MonkeyPatch) -> dict[object, list[tuple[int, int]]]:
    """The rows and the thread of each run of a session with bound buffers."""
    seen: dict[object, list[tuple[int, int]]] = defaultdict(list)
    run = onnxruntime.InferenceSession.run_with_iobinding

    def run_and_note(session: Any, binding: Any, options: Any = None) -> None:
        run(session, binding, options)
        seen[session].append((binding.get_outputs()[0].shape()[0], threading.get_ident()))

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", run_and_note)
    return seen


def test_warm_up_runs_every_bucket_of_both_models_in_the_thread_that_serves(
    as_on_a_gpu: None, bound_runs: dict[object, list[tuple[int, int]]], model_repository: Path
) -> None:
    async def test(version: Pair) -> None:
        assert len(bound_runs) == 2
        assert [{rows for rows, _ in runs} for runs in bound_runs.values()] == [{1, 2, 4, 8, 16, 20}] * 2
        warm = [len(runs) for runs in bound_runs.values()]
        for count in (1, 3, 20, 100):
            await generate(version, 0, 0, np.arange(count) % 10, count, None)
            await version.see(np.zeros((28, 28), np.uint8), None)
        assert all(len(runs) > before for runs, before in zip(bound_runs.values(), warm, strict=True))

    with_version(model_repository, 1, Settings.load(["--max-batch-rows", "20"]), test)
    threads = [{thread for _, thread in runs} for runs in bound_runs.values()]
    assert [len(of_one) for of_one in threads] == [1, 1]
    assert threading.get_ident() not in threads[0] | threads[1]


def test_images_are_the_same_bytes_with_and_without_buckets(
    model_repository: Path, classless_repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.load(["--max-batch-rows", "24"])
    for repository, classes in ((model_repository, True), (classless_repository, False)):
        found: list[list[bytes]] = []

        async def test(version: Pair, classes: bool = classes, found: list[list[bytes]] = found) -> None:
            def images(start: int, count: int) -> Coroutine[Any, Any, Any]:
                digits = np.arange(start, start + count) % 10 if classes else None
                return generate(version, 3, start, digits, count, None)

            whole = await images(0, 100)
            found.append([image.tobytes() for image in whole])
            for size in (1, 2, 7, 24, 33):  # at once, so that they come into each other's batches
                parts = await asyncio.gather(*(images(start, size) for start in range(0, 100 - size + 1, size)))
                together = np.concatenate(parts)
                assert np.array_equal(together, whole[: len(together)])

        with_version(repository, 1, settings, test)
        with monkeypatch.context() as patch:
            patch.setattr("serving.engine.served_model.CUDA", CPU)
            with_version(repository, 1, settings, test)
        assert found[0] == found[1]


def test_bucket_whose_rows_differ_is_not_used_and_the_log_says_so(
    as_on_a_gpu: None,
    bound_runs: dict[object, list[tuple[int, int]]],
    model_repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = onnxruntime.InferenceSession.run_with_iobinding

    def other_kernels_for_small_batches(session: Any, binding: Any, options: Any = None) -> None:
        run(session, binding, options)
        for output in binding.get_outputs():
            if output.shape()[0] in (1, 4):
                values = output.numpy()
                output.update_inplace(values + np.ones(1, values.dtype))

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", other_kernels_for_small_batches)

    async def test(version: Pair) -> None:
        for runs in bound_runs.values():
            runs.clear()
        for count in (1, 2, 3, 8):
            await generate(version, 0, 0, np.arange(count), count, None)
            await version.see(np.zeros((28, 28), np.uint8), None)
        assert [[rows for rows, _ in runs] for runs in bound_runs.values()] == [[2, 2, 8, 8], [2, 2, 2, 2]]

    with caplog.at_level(logging.WARNING):
        with_version(model_repository, 1, Settings.load(["--max-batch-rows", "8"]), test)
    assert [record.getMessage() for record in caplog.records] == [
        f"{model_repository / model / '1/model.onnx'}: batches of 1, 4 rows would differ from larger ones by some bits "
        "here, and are padded up to a size that does not"
        for model in ("generator", "discriminator")
    ]
