"""Tasks whose results nobody wants any more."""

import asyncio
import gc

from serving.digits.unwanted import drop


def test_unwanted_tasks_end_and_no_error_of_theirs_is_complained_of() -> None:
    complaints: list[object] = []

    async def fail() -> None:
        raise ValueError("nobody asks")

    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        running, cancelled = asyncio.create_task(asyncio.sleep(3600)), asyncio.create_task(asyncio.sleep(3600))
        cancelled.cancel()
        tasks = [running, cancelled, asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(0))]
        await asyncio.wait(tasks[1:])
        drop(tasks)
        await asyncio.wait(tasks)
        assert running.cancelled()

    asyncio.run(test())
    gc.collect()  # asyncio complains of an error when its task goes
    assert complaints == []
