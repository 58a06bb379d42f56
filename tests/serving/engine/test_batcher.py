"""The batcher's promises, with models that are plain functions."""

import asyncio
import random
import threading
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from serving.engine.batcher import Batcher
from serving.engine.fair_queue import Room, Rows
from serving.errors import DeadlineExceededError, InternalError, ResourceExhaustedError, UnavailableError

PATIENCE_S = 30  # after which a test fails instead of hanging
POISON = -1  # a row that makes the model fail


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, PATIENCE_S))


def rows(*values: int) -> Rows:
    return {"x": np.array(values)}


def values(answer: Rows) -> list[int]:
    return answer["y"].tolist()


class Model:
    """Answers tenfold and keeps the batches that it saw. It is held in its first batch until `release` is set."""

    def __init__(self, held: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.running = threading.Event()
        self.release = threading.Event()
        if not held:
            self.release.set()

    def __call__(self, batch: Rows) -> Rows:
        self.batches.append(batch["x"].tolist())
        self.running.set()
        assert self.release.wait(PATIENCE_S)
        if POISON in batch["x"]:
            raise ValueError("it is poisoned")
        return {"y": batch["x"] * 10}


async def hold(batcher: Batcher, model: Model, *first: int) -> asyncio.Future[Rows]:
    """Keep the model busy with a first batch, so that what comes now has to wait."""
    task = batcher.submit(rows(*first or (0,)))
    assert await asyncio.to_thread(model.running.wait, PATIENCE_S)
    return task


async def wait_in_line(batcher: Batcher, *calls: Rows, deadline: float | None = None) -> list[asyncio.Future[Rows]]:
    """Submit calls behind a busy model, and return when all are in the queue."""
    tasks = []
    for call in calls:
        before = batcher.queued_rows
        tasks.append(batcher.submit(call, deadline))
        while batcher.queued_rows == before:
            await asyncio.sleep(0)
    return tasks


def test_rows_that_wait_for_the_model_are_merged_into_one_batch() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=8, room=Room(100))
        first = await hold(batcher, model)
        calls = await wait_in_line(batcher, rows(1, 2), rows(3), rows(4, 5, 6))
        model.release.set()
        assert [values(answer) for answer in await asyncio.gather(first, *calls)] == [[0], [10, 20], [30], [40, 50, 60]]
        assert model.batches == [[0], [1, 2, 3, 4, 5, 6]]
        await batcher.close()

    run(test())


def test_large_request_is_split_and_comes_back_in_order() -> None:
    async def test() -> None:
        model = Model(held=False)
        batcher = Batcher(model, max_batch_rows=4, room=Room(100))
        assert values(await batcher.submit(rows(*range(10)))) == [10 * row for row in range(10)]
        assert model.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        await batcher.close()

    run(test())


def test_batch_is_filled_to_its_limit_and_no_further() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=4, room=Room(100))
        first = await hold(batcher, model)
        calls = await wait_in_line(batcher, rows(1, 2, 3), rows(4, 5, 6), rows(7, 8, 9))
        model.release.set()
        answers = [values(answer) for answer in await asyncio.gather(first, *calls)]
        assert answers == [[0], [10, 20, 30], [40, 50, 60], [70, 80, 90]]
        assert [len(batch) for batch in model.batches] == [1, 4, 4, 1]
        await batcher.close()

    run(test())


def test_every_named_array_keeps_its_rows_together() -> None:
    async def test() -> None:
        def model(batch: Rows) -> Rows:
            return {"sum": batch["a"] + batch["b"][:, 0], "a": batch["a"]}

        batcher = Batcher(model, max_batch_rows=2, room=Room(100))
        answers = await asyncio.gather(
            *(batcher.submit({"a": np.arange(5) + start, "b": np.full((5, 1), start)}) for start in (0, 100))
        )
        for start, answer in zip((0, 100), answers, strict=True):
            assert answer["a"].tolist() == [start + row for row in range(5)]
            assert answer["sum"].tolist() == [2 * start + row for row in range(5)]
        await batcher.close()

    run(test())


def test_small_requests_do_not_stand_behind_a_large_one() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=8, room=Room(10_000))
        first = await hold(batcher, model)
        calls = await wait_in_line(batcher, rows(*range(1, 1001)), rows(2001), rows(2002), rows(2003))
        model.release.set()
        await asyncio.gather(first, *calls)
        assert {2001, 2002, 2003} < set(model.batches[1])
        assert len(model.batches[1]) == 8  # and what room they leave is not wasted
        await batcher.close()

    run(test())


def test_calls_of_moderate_size_are_not_cut_to_pieces_that_all_end_together() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=256, room=Room(10_000))
        first = await hold(batcher, model)
        calls = await wait_in_line(batcher, *(rows(*range(64 * call, 64 * call + 64)) for call in range(8)))
        model.release.set()
        await asyncio.gather(first, *calls)
        assert model.batches[1:] == [list(range(256)), list(range(256, 512))]
        await batcher.close()

    run(test())


def test_request_that_comes_while_a_large_one_is_being_run_is_in_the_next_batch() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=4, room=Room(10_000))
        large = await hold(batcher, model, *range(1, 101))
        (small,) = await wait_in_line(batcher, rows(2001))
        model.release.set()
        assert values(await small) == [20010]
        assert 2001 in model.batches[1]
        assert values(await large) == [10 * row for row in range(1, 101)]
        await batcher.close()

    run(test())


def test_more_callers_than_a_batch_has_rows_are_served_in_the_order_of_their_coming() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=2, room=Room(100))
        first = await hold(batcher, model)
        calls = await wait_in_line(batcher, *(rows(row) for row in range(1, 6)))
        model.release.set()
        await asyncio.gather(first, *calls)
        assert model.batches == [[0], [1, 2], [3, 4], [5]]
        await batcher.close()

    run(test())


def test_idle_model_takes_a_lonely_row_at_once_where_no_delay_is_set() -> None:
    async def test() -> None:
        model = Model(held=False)
        batcher = Batcher(model, max_batch_rows=1000, room=Room(1000))
        assert values(await batcher.submit(rows(1))) == [10]
        assert values(await batcher.submit(rows(2))) == [20]
        assert model.batches == [[1], [2]]
        await batcher.close()

    run(test())


def test_batch_that_is_not_full_goes_when_its_delay_is_over() -> None:
    async def test() -> None:
        model = Model(held=False)
        batcher = Batcher(model, max_batch_rows=1000, room=Room(1000), max_delay_s=0.01)
        assert values(await batcher.submit(rows(1))) == [10]
        assert values(await batcher.submit(rows(2))) == [20]
        await batcher.close()

    run(test())


def test_batch_that_fills_up_within_its_delay_goes_at_once() -> None:
    async def test() -> None:
        model = Model(held=False)
        batcher = Batcher(model, max_batch_rows=4, room=Room(100), max_delay_s=10 * PATIENCE_S)
        calls = await wait_in_line(batcher, rows(1), rows(2), rows(3), rows(4))
        assert [values(answer) for answer in await asyncio.gather(*calls)] == [[10], [20], [30], [40]]
        assert model.batches == [[1, 2, 3, 4]]
        await batcher.close()

    run(test())


def test_delay_is_the_first_rows_and_no_later_row_begins_it_anew() -> None:
    async def test() -> None:
        loop, delay_s = asyncio.get_running_loop(), PATIENCE_S / 4
        now = loop.time
        batcher = Batcher(Model(held=False), max_batch_rows=100, room=Room(100), max_delay_s=delay_s)
        first = await wait_in_line(batcher, rows(1))
        loop.time = lambda: now() + 0.9 * delay_s  # type: ignore[method-assign]  # a clock that is put forward
        second = await wait_in_line(batcher, rows(2))
        loop.time = lambda: now() + 1.1 * delay_s  # type: ignore[method-assign]
        answers = await asyncio.wait_for(asyncio.gather(*first, *second), delay_s / 2)
        assert [values(answer) for answer in answers] == [[10], [20]]
        await batcher.close()

    run(test())


def test_rows_on_which_the_model_fails_fail_their_caller_and_no_neighbour() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=2, room=Room(100))
        before = await hold(batcher, model)
        calls = await wait_in_line(batcher, rows(1), rows(POISON), rows(2), rows(3))
        model.release.set()
        outcomes: list[Any] = await asyncio.gather(before, *calls, return_exceptions=True)
        assert model.batches == [[0], [1, POISON], [1], [POISON], [2, 3]]
        assert isinstance(outcomes[2], InternalError)
        assert "it is poisoned" in str(outcomes[2])
        others = (*outcomes[:2], *outcomes[3:])
        assert [outcome["y"].tolist() for outcome in others] == [[0], [10], [20], [30]]
        assert values(await batcher.submit(rows(6))) == [60]
        await batcher.close()

    run(test())


def test_rest_of_a_split_request_is_not_run_once_a_part_of_it_failed() -> None:
    async def test() -> None:
        model = Model(held=False)
        batcher = Batcher(model, max_batch_rows=2, room=Room(10))
        with pytest.raises(InternalError):
            await batcher.submit(rows(1, 2, 3, POISON, 5, 6, 7, 8))
        assert values(await batcher.submit(rows(*range(10)))) == [10 * row for row in range(10)]  # all room is free
        assert model.batches[:3] == [[1, 2], [3, POISON], [0, 1]]
        await batcher.close()

    run(test())


def test_request_that_is_cancelled_in_the_queue_is_never_run() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=8, room=Room(100))
        first = await hold(batcher, model)
        left, gone, right = await wait_in_line(batcher, rows(1), rows(2, 3), rows(4))
        gone.cancel()
        model.release.set()
        answers = await asyncio.gather(first, left, right)
        assert [values(answer) for answer in answers] == [[0], [10], [40]]
        assert gone.cancelled()
        assert model.batches == [[0], [1, 4]]
        assert batcher.queued_rows == 0
        await batcher.close()

    run(test())


def test_cancelled_request_leaves_its_batch_unharmed() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=8, room=Room(100), max_delay_s=10 * PATIENCE_S)
        left, gone, right = await wait_in_line(batcher, rows(1, 2), rows(3, 4, 5), rows(6, 7, 8))
        assert await asyncio.to_thread(model.running.wait, PATIENCE_S)
        gone.cancel()
        model.release.set()
        assert values(await left) == [10, 20]
        assert values(await right) == [60, 70, 80]
        assert gone.cancelled()
        assert [sorted(batch) for batch in model.batches] == [[1, 2, 3, 4, 5, 6, 7, 8]]
        await batcher.close()

    run(test())


def test_rest_of_a_split_request_is_not_run_once_it_is_cancelled() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=2, room=Room(100))
        gone = await hold(batcher, model, *range(100))
        (after,) = await wait_in_line(batcher, rows(200))
        gone.cancel()
        model.release.set()
        assert values(await after) == [2000]
        assert model.batches == [[0, 1], [200]]
        assert batcher.queued_rows == 0
        await batcher.close()

    run(test())


def test_request_whose_deadline_passed_in_the_queue_is_refused_and_never_run() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=8, room=Room(100))
        first = await hold(batcher, model)
        (late,) = await wait_in_line(batcher, rows(1), deadline=time.monotonic() - 0.001)
        (early,) = await wait_in_line(batcher, rows(2), deadline=time.monotonic() + 10 * PATIENCE_S)
        model.release.set()
        with pytest.raises(DeadlineExceededError):
            await late
        assert values(await first) == [0]
        assert values(await early) == [20]
        assert model.batches == [[0], [2]]
        assert batcher.queued_rows == 0
        await batcher.close()

    run(test())


def test_full_queue_refuses_with_its_figures_and_takes_rows_again_when_it_has_room() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=4, room=Room(6))
        first = await hold(batcher, model)
        calls = await wait_in_line(batcher, rows(1, 2, 3), rows(4, 5))
        with pytest.raises(ResourceExhaustedError, match="5 rows are waiting and 2 more would pass the limit of 6"):
            await batcher.submit(rows(6, 7))
        (last,) = await wait_in_line(batcher, rows(8))  # exactly full
        with pytest.raises(ResourceExhaustedError) as refusal:
            await batcher.submit(rows(9))
        assert [detail.DESCRIPTOR.full_name for detail in refusal.value.details] == ["google.rpc.RetryInfo"]
        model.release.set()
        answers = await asyncio.gather(first, *calls, last)
        assert [values(answer) for answer in answers] == [[0], [10, 20, 30], [40, 50], [80]]
        assert values(await batcher.submit(rows(1, 2, 3, 4, 5, 6))) == [10, 20, 30, 40, 50, 60]
        await batcher.close()

    run(test())


def test_close_answers_what_waits_and_refuses_what_comes() -> None:
    async def test() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_rows=2, room=Room(100))
        first = await hold(batcher, model)
        calls = await wait_in_line(batcher, rows(1, 2, 3), rows(4))
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)  # let it begin
        with pytest.raises(UnavailableError):
            await batcher.submit(rows(5))
        assert not closing.done()
        model.release.set()
        await closing
        assert [values(call.result()) for call in (first, *calls)] == [[0], [10, 20, 30], [40]]
        with pytest.raises(UnavailableError):
            await batcher.submit(rows(6))

    run(test())


def test_close_does_not_wait_for_a_delayed_batch_to_fill() -> None:
    async def test() -> None:
        model = Model(held=False)
        batcher = Batcher(model, max_batch_rows=100, room=Room(100), max_delay_s=10 * PATIENCE_S)
        (call,) = await wait_in_line(batcher, rows(1))
        await batcher.close()
        assert values(call.result()) == [10]

    run(test())


@pytest.mark.parametrize("inline_rows", [0, 8, 16])
@pytest.mark.parametrize("max_delay_s", [0, 0.001])
def test_rows_come_back_to_their_callers_in_order_whoever_else_calls_or_leaves(
    max_delay_s: float, inline_rows: int
) -> None:
    async def test() -> None:
        chance = random.Random(7)
        largest = 0

        def model(batch: Rows) -> Rows:
            nonlocal largest
            largest = max(largest, len(batch["x"]))
            return {"y": batch["x"] * 10}

        batcher = Batcher(model, max_batch_rows=16, room=Room(10**6), max_delay_s=max_delay_s, inline_rows=inline_rows)

        async def caller(number: int) -> None:
            for turn in range(20):
                first = 10_000 * number + 100 * turn
                asked = np.arange(first, first + chance.randint(1, 60))
                call = batcher.submit({"x": asked})
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)
                if chance.random() < 0.2 and call.cancel():
                    continue
                assert values(await call) == (asked * 10).tolist()

        await asyncio.gather(*(caller(number) for number in range(40)))
        await batcher.close()
        assert largest == 16
        assert batcher.queued_rows == 0

    run(test())


def test_few_rows_run_in_the_loops_own_thread_and_more_beside_it() -> None:
    async def test() -> None:
        threads = {}

        def model(batch: Rows) -> Rows:
            threads[len(batch["x"])] = threading.current_thread()
            return {"y": batch["x"] * 10}

        batcher = Batcher(model, max_batch_rows=8, room=Room(100), inline_rows=2)
        for count in (1, 2, 3, 8):
            assert values(await batcher.submit(rows(*range(count)))) == [10 * row for row in range(count)]
        own = threading.current_thread()
        assert {count: thread is own for count, thread in threads.items()} == {1: True, 2: True, 3: False, 8: False}
        await batcher.close()

    run(test())


def test_calls_of_one_moment_share_a_batch_in_the_loops_own_thread() -> None:
    async def test() -> None:
        model = Model(held=False)
        batcher = Batcher(model, max_batch_rows=4, room=Room(100), inline_rows=4)
        answers = await asyncio.gather(*(batcher.submit(rows(row)) for row in range(6)))
        assert [values(answer) for answer in answers] == [[10 * row] for row in range(6)]
        assert model.batches == [[0, 1, 2, 3], [4, 5]]
        await batcher.close()

    run(test())


def test_failure_in_the_loops_own_thread_is_its_callers_alone() -> None:
    async def test() -> None:
        batcher = Batcher(Model(held=False), max_batch_rows=2, room=Room(100), inline_rows=2)
        calls = [batcher.submit(rows(row)) for row in (1, POISON, 2)]
        outcomes: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(outcomes[1], InternalError)
        assert [values(outcome) for outcome in (outcomes[0], outcomes[2])] == [[10], [20]]
        await batcher.close()

    run(test())


def test_others_are_served_between_the_parts_of_a_large_call_in_the_loops_own_thread() -> None:
    async def test() -> None:
        model = Model(held=False)
        batcher = Batcher(model, max_batch_rows=2, room=Room(1000), inline_rows=2)
        large = batcher.submit(rows(*range(100)))
        while not model.batches:
            await asyncio.sleep(0)
        assert values(await batcher.submit(rows(2001))) == [20010]
        assert not large.done()
        assert len(values(await large)) == 100
        await batcher.close()

    run(test())


def test_model_that_gives_another_number_of_rows_fails_instead_of_giving_one_callers_to_another() -> None:
    async def test() -> None:
        batcher = Batcher(lambda rows: {"y": rows["x"][:1]}, max_batch_rows=8, room=Room(100))
        calls = [batcher.submit(rows(*asked)) for asked in ((1,), (2, 3))]
        outcomes: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
        assert outcomes[0]["y"].tolist() == [1]  # alone, it is right
        assert "y has 1 rows for 2" in str(outcomes[1])
        await batcher.close()

    run(test())


def test_batchers_of_a_model_share_the_room_for_what_waits() -> None:
    async def test() -> None:
        model, room = Model(), Room(3)
        first, second = (Batcher(model, max_batch_rows=1, room=room) for _ in range(2))
        before = await hold(first, model)
        waiting = await wait_in_line(first, rows(1), rows(2))
        waiting += await wait_in_line(second, rows(3))
        with pytest.raises(ResourceExhaustedError, match="3 rows are waiting"):
            await second.submit(rows(4, 5))
        model.release.set()
        await asyncio.gather(before, *waiting)
        assert room.rows == 0
        await first.close()
        await second.close()

    run(test())
