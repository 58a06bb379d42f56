"""How many rows of each call go into a batch where many calls wait."""

import asyncio

import numpy as np
import pytest

from serving.engine.fair_queue import ASKER, FairQueue, Room
from serving.errors import DeadlineExceededError, InternalError, ResourceExhaustedError


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


def row(request: dict[str, np.ndarray]) -> np.ndarray:
    found = np.empty(1, object)
    found[0] = request
    return found


@pytest.mark.parametrize(
    "rows",
    [
        {"x": np.zeros((1, 300), np.uint8)},
        {"x": np.zeros((1, 100), np.uint8), "y": np.zeros((1, 200), np.uint8)},
        {"x": np.array([b"a" * 292], object)},  # beside the 8 bytes of the place where it stands
        {"request": row({"x": np.zeros(292, np.uint8)})},
    ],
    ids=["one", "two", "texts", "a whole request"],
)
def test_bytes_that_wait_are_bounded_and_given_back_however_they_leave(rows: dict[str, np.ndarray]) -> None:
    async def test() -> None:
        room = Room(100, max_bytes=1000)
        queue = FairQueue(room)
        taken, late, given_up = (queue.put(rows, deadline) for deadline in (None, 0.0, None))
        assert room.size == 900
        with pytest.raises(ResourceExhaustedError, match="900 bytes of rows are waiting and 300 more"):
            queue.put(rows, None)
        queue.give_up(given_up, InternalError("gone"))
        assert [entry for entry, _ in queue.take(100)] == [taken]
        assert room.size == 0
        assert isinstance(late.future.exception(), DeadlineExceededError)
        assert given_up.future.exception() is not None

    asyncio.run(test())


def test_what_is_larger_than_the_room_waits_alone() -> None:
    async def test() -> None:
        room = Room(100, max_bytes=1000)
        queue = FairQueue(room)
        queue.put({"x": np.zeros((10, 500), np.uint8)}, None)
        with pytest.raises(ResourceExhaustedError):
            queue.put({"x": np.zeros((1, 1), np.uint8)}, None)
        queue.take(5)  # a half: all of it is still held
        assert room.size == 5000
        queue.take(5)
        assert room.size == 0

    asyncio.run(test())
