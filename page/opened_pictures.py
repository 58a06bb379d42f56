"""Pictures of visitors, opened where they harm nothing: in a process of their own with limits of memory and time.

The server takes five formats and refuses what is too large; the client opens all others where the picture is, and
trusts it. The page opens for strangers, so it does what the client does (`digitforge.pictures.files`) in children.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from digitforge.pictures.files import needs_no_look
from page.picture_opener import LENGTH_BYTES, MEMORY_BYTES, OPENED
from page.problems import ProblemError

PROCESSES = 2
TIME_S = 10.0


class OpenedPictures:
    """Opens pictures, some at a time. Use it as a context manager: its children end with it."""

    def __init__(self) -> None:
        self._children: asyncio.LifoQueue[_Child] = asyncio.LifoQueue()
        for _ in range(PROCESSES):
            self._children.put_nowait(_Child())

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["OpenedPictures"]:
        """With children that are started when they are needed, and ended at the end."""
        pictures = cls()
        try:
            yield pictures
        finally:
            while not pictures._children.empty():
                await pictures._children.get_nowait().end()

    async def open(self, data: bytes) -> bytes:
        """A picture file as the server takes it; see `digitforge.pictures.files.prepare_file`.

        Raises:
            ProblemError: It is no picture, a damaged one, or takes too much to open.
        """
        if needs_no_look(data):
            return data
        child = await self._children.get()
        try:
            async with asyncio.timeout(TIME_S):
                is_opened, answer = await child.ask(data)
        except BaseException as error:
            await child.end()  # the next picture gets a new one
            if isinstance(error, TimeoutError):
                raise _refused("it takes too long to open", data, f"{TIME_S:g} s") from error
            if isinstance(error, EOFError | OSError):
                why = "it takes too much memory to open, or the decoder failed"
                raise _refused(why, data, f"{MEMORY_BYTES >> 20} MiB of memory") from error
            raise
        finally:
            self._children.put_nowait(child)
        if not is_opened:
            raise _refused(answer.decode(), data)
        return answer


class _Child:
    """One process, which opens a picture after the other: see `page.picture_opener`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, data: bytes) -> tuple[bool, bytes]:
        """Whether a picture could be opened; and the file for the server, or why not.

        Raises:
            EOFError, OSError: The process is gone.
        """
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "page.picture_opener",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # a Ctrl-C in the terminal is the page's
            )  # fmt: skip
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        to.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        await to.drain()
        kind = await back.readexactly(1)
        length = int.from_bytes(await back.readexactly(LENGTH_BYTES), "big")
        return kind == OPENED, await back.readexactly(length)

    async def end(self) -> None:
        """End the process, where there is one."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _refused(why: str, data: bytes, limit: str | None = None) -> ProblemError:
    value = f"{len(data)} bytes"
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the picture: {why}", field="image", value=value, limit=limit)
