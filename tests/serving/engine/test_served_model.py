"""Any ONNX model, loaded: how its requests are run, by rows or one at a time, and what is refused."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.engine.device import CPU
from serving.engine.fair_queue import Rows
from serving.engine.served_model import Limits, ServedModel
from serving.engine.signature import UnservableError
from serving.errors import InternalError, InvalidArgumentError, UnavailableError
from tests.serving import onnx_models


class Batches:
    """An observer that keeps the sizes of batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def request_came(self, rows: int) -> None: ...

    def request_failed(self, *_: object) -> None: ...

    def batch_ran(self, rows: int, _: object) -> None:
        self.sizes.append(rows)


def serve(
    path: Path,
    test: Callable[[ServedModel, list[int]], Coroutine[Any, Any, None]],
    max_request_rows: int | None = None,
    max_batch_rows: int = 64,
) -> None:
    async def run() -> None:
        observer = Batches()
        limits = Limits(max_batch_rows, 1000, max_request_rows=max_request_rows)
        model = ServedModel("m", 1, path, CPU, 1, limits, observer)
        await test(model, observer.sizes)
        await model.close()

    asyncio.run(run())


async def ask(model: ServedModel, **inputs: Any) -> Rows:
    arrays = {name: np.asarray(values, model.inputs[name].dtype) for name, values in inputs.items()}
    model.check(arrays)
    return await model.submit(arrays)


def test_rows_of_several_callers_are_one_batch_where_the_graph_leaves_it_open(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        one, two = await asyncio.gather(
            ask(model, a=[[1, 2, 3]], b=[[4, 5, 6]]), ask(model, a=[[0, 0, 0]] * 2, b=[[1, 1, 1]] * 2)
        )
        assert one["total"].tolist() == [[5, 7, 9]]
        assert two["difference"].tolist() == [[-1, -1, -1]] * 2
        assert batches == [3]

    serve(onnx_models.two_inputs(tmp_path / "model.onnx"), test)


def test_model_of_a_fixed_batch_has_its_requests_one_at_a_time(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        assert model.max_request_rows == 0
        assert "whose first size is not open" in model.why_one_at_a_time
        xs = np.random.default_rng(1).standard_normal((3, 2, 1, 4, 4)).astype(np.float32)
        answers = await asyncio.gather(*(ask(model, x=x) for x in xs))
        for x, answer in zip(xs, answers, strict=True):
            assert np.array_equal(answer["y"], model.runner.run({"x": x})["y"])
        assert batches == [1, 1, 1]

    serve(onnx_models.conv_net(tmp_path / "model.onnx"), test)


def test_model_whose_rows_depend_on_each_other_is_given_no_others(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        assert model.why_one_at_a_time == "y of a row is another with other rows beside it"
        one, two = await asyncio.gather(ask(model, x=[[1, 1], [3, 3]]), ask(model, x=[[100, 0]]))
        assert one["y"].tolist() == [[-1, -1], [1, 1]]
        assert two["y"].tolist() == [[0, 0]]

    serve(onnx_models.centred(tmp_path / "model.onnx"), test)


def test_rows_are_joined_with_rows_of_their_own_sizes_alone(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        asked = [[[1, 2]], [[1, 2, 3]], [[5, 5]], [[4, 4, 4]]]
        answers = await asyncio.gather(*(ask(model, x=x) for x in asked))
        assert [answer["total"].tolist() for answer in answers] == [[3], [6], [10], [12]]
        assert batches == [2, 2]
        assert not model._by_sizes  # nothing is kept for sizes that may never come again

    serve(onnx_models.row_sums(tmp_path / "model.onnx"), test)


def test_texts_go_in_and_come_out(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        answer = await ask(model, first=["a", "ä"], second=["b", ""])
        assert answer["text"].tolist() == ["ab", "ä"]

    serve(onnx_models.joined_texts(tmp_path / "model.onnx"), test)


def test_callers_wrong_place_fails_no_neighbour(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        calls = (ask(model, place=[3]), ask(model, place=[99]), ask(model, place=[9, 0]))
        one, wrong, two = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(one, dict)
        assert one["square"].tolist() == [9]
        assert isinstance(wrong, InternalError)
        assert isinstance(two, dict)
        assert two["square"].tolist() == [81, 0]

    serve(onnx_models.lookup(tmp_path / "model.onnx"), test)


def test_configured_size_limits_a_request_and_the_batches(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        assert (model.max_request_rows, model.max_batch_rows) == (2, 2)
        with pytest.raises(InvalidArgumentError, match=r"at most 2 rows \(max_batch_size\), and this one has 3"):
            await ask(model, x=[[0] * 4] * 3)
        await asyncio.gather(*(ask(model, x=[[0] * 4]) for _ in range(4)))
        assert batches == [2, 2]

    serve(onnx_models.half(tmp_path / "model.onnx"), test, max_request_rows=2)


def test_larger_request_than_a_batch_is_split(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        x = np.arange(40).reshape(10, 4)
        assert np.array_equal((await ask(model, x=x))["y"], 2 * x)
        assert batches == [4, 4, 2]

    serve(onnx_models.half(tmp_path / "model.onnx"), test, max_request_rows=100, max_batch_rows=4)


def test_model_that_is_to_have_no_batches_has_none(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        await asyncio.gather(*(ask(model, x=[[0] * 4] * rows) for rows in (1, 3)))
        assert batches == [1, 1]

    serve(onnx_models.half(tmp_path / "model.onnx"), test, max_request_rows=0)


def test_batches_that_the_graph_does_not_have_are_refused(tmp_path: Path) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None: ...

    with pytest.raises(UnservableError, match=r"max_batch_size is 8, .* x has the shape \[2, 1, 4, 4\]"):
        serve(onnx_models.conv_net(tmp_path / "model.onnx"), test, max_request_rows=8)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"a": np.zeros((1, 3), np.float32)}, "'b' is missing"),
        ({"a": np.zeros((1, 3), np.float32), "c": np.zeros((1, 3), np.float32)}, "'c' is no input"),
        ({"a": np.zeros((1, 3)), "b": np.zeros((1, 3), np.float32)}, "'a' is float64, and the model takes float32"),
        ({"a": np.zeros((1, 4), np.float32), "b": np.zeros((1, 3), np.float32)}, r"'a' has the shape \[1, 4\]"),
        ({"a": np.zeros(3, np.float32), "b": np.zeros((1, 3), np.float32)}, r"'a' has the shape \[3\]"),
        ({"a": np.zeros((1, 3), np.float32), "b": np.zeros((2, 3), np.float32)}, "'a' 1, 'b' 2"),
        ({"a": np.zeros((0, 3), np.float32), "b": np.zeros((0, 3), np.float32)}, "no rows"),
    ],
)
def test_wrong_input_is_refused_by_its_name(tmp_path: Path, inputs: Rows, words: str) -> None:
    async def test(model: ServedModel, batches: list[int]) -> None:
        with pytest.raises(InvalidArgumentError, match=words):
            model.check(inputs)

    serve(onnx_models.two_inputs(tmp_path / "model.onnx"), test)


def test_what_comes_after_the_end_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        for name, make, x in (
            ("rows", onnx_models.half, np.zeros((1, 4), np.float16)),
            ("sizes", onnx_models.row_sums, np.zeros((1, 4), np.float32)),
            ("one", onnx_models.conv_net, np.zeros((2, 1, 4, 4), np.float32)),
        ):
            model = ServedModel("m", 1, make(tmp_path / name / "model.onnx"), CPU, 1, Limits(8, 8))
            await model.close()
            with pytest.raises(UnavailableError):
                await model.submit({"x": x})

    asyncio.run(run())
