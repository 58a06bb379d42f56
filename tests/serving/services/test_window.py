"""How much of a stream of requests is in work at a time."""

import asyncio

from serving.services.window import Window


async def entered(window: Window, size: int) -> bool:
    """Whether there is room for a request of this size now; then it has taken it."""
    try:
        await asyncio.wait_for(window.enter(size), 0.01)
    except TimeoutError:
        return False
    return True


def test_window_has_room_for_so_many_requests_and_bytes() -> None:
    async def test() -> None:
        window = Window(count=3, size=100)
        assert [await entered(window, size) for size in (10, 20, 80, 30, 5)] == [True, True, False, True, False]
        window.leave()  # of 10
        assert not await entered(window, 51)
        assert await entered(window, 50)
        assert not await entered(window, 1)

    asyncio.run(test())


def test_larger_request_than_the_window_waits_until_it_is_alone_and_then_passes() -> None:
    async def test() -> None:
        window = Window(count=3, size=100)
        await window.enter(1)
        large = asyncio.create_task(window.enter(1000))
        await asyncio.sleep(0)
        assert not large.done()
        window.leave()
        await large
        assert not await entered(window, 1)
        window.leave()
        assert await entered(window, 1)

    asyncio.run(test())
