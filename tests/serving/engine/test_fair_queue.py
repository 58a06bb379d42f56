"""How many rows of each call go into a batch where many calls wait."""

import asyncio

import numpy as np
import pytest

from serving.engine.fair_queue import ASKER, FairQueue, Room


@pytest.mark.parametrize(
    ("calls", "room", "taken"),
    [
        (4, 100, [25] * 4),  # an equal share for each
        (3, 100, [33, 33, 33, 1]),  # and what is left over to the first
        (40, 1000, [64] * 15 + [40]),  # but 64 at least, or each call would wait for the last piece of all
        (40, 100, [25] * 4),  # of a small room a quarter
        (40, 3, [1] * 3),
    ],
)
def test_share_of_a_call_is_equal_and_no_small_piece(calls: int, room: int, taken: list[int]) -> None:
    async def test() -> None:
        queue = FairQueue(Room(100_000))
        for _ in range(calls):
            queue.put({"x": np.zeros(500)}, None)
        assert [part.stop - part.start for _, part in queue.take(room)] == taken
        assert queue.rows == 500 * calls - room

    asyncio.run(test())


def test_one_row_of_somebody_else_goes_into_the_next_batch_whoever_asked_a_hundred_times_before() -> None:
    async def test() -> None:
        queue = FairQueue(Room(100_000))
        ASKER.set("crowd")
        for _ in range(100):
            queue.put({"x": np.zeros(64)}, None)
        ASKER.set("alone")
        alone = queue.put({"x": np.zeros(1)}, None)
        assert alone in [entry for entry, _ in queue.take(256)]
        assert len(queue) == 97
        assert queue.rows == 6400 - 255

    asyncio.run(test())


def test_what_all_fits_is_taken_whole_but_for_those_who_have_gone() -> None:
    async def test() -> None:
        queue = FairQueue(Room(1000))
        large, gone, small = (queue.put({"x": np.zeros(rows)}, None) for rows in (500, 3, 1))
        gone.future.cancel()
        assert queue.take(504) == [(large, slice(0, 500)), (small, slice(0, 1))]
        assert (queue.rows, len(queue), gone.taken) == (0, 0, 0)

    asyncio.run(test())
