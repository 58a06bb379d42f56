"""The trainer as a child of the page: one run at a time, watched while it goes on, and gone with the page."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

from page.problems import ProblemError
from page.run_log import Entry, RunLog
from page.tied import tied

LOOK_S = 0.5
GRACE_S = 15.0  # after which a run that is asked to stop is killed
SHEETS = 20  # in a run
LOG_STEPS = 10  # from one reading to the next
LAST_WORDS = 4_000  # bytes of what a failing run says


class Run:
    """One run: its child, what it was started with, and everything that happened so far.

    Attributes:
        number: Of the run, since the page was started.
        lr_g, lr_d: The learning rates that it was given.
        images: How many real digits it is to see.
        state: `running`, `finished`, `stopped` or `failed`.
        message: Why it failed.
        entries: What happened, from the start.
    """

    def __init__(self, number: int, lr_g: float, lr_d: float, images: int) -> None:
        self.number, self.lr_g, self.lr_d, self.images = number, lr_g, lr_d, images
        self.state, self.message = "running", ""
        self.entries: list[Entry] = []
        self._changed = asyncio.Condition()
        self._folder = Path(tempfile.mkdtemp(prefix="digitforge-page-"))
        self._log = RunLog(self._folder / "run")
        self._is_stopping = False
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def images_seen(self) -> int:
        """How many it has seen."""
        seen = (entry.what["images"] for entry in reversed(self.entries) if entry.kind in ("metrics", "rewound"))
        return int(next(seen, 0))

    @property
    def sheet(self) -> Path | None:
        """The newest of its sheets."""
        return self._log.sheet

    async def start(self) -> None:
        """Start the child, and watch it."""
        options = {
            "out": self._folder / "run",
            "generator-lr": self.lr_g,
            "discriminator-lr": self.lr_d,
            "images": self.images,
            "milestone-images": max(1, self.images // SHEETS),
            "log-steps": LOG_STEPS,
            "measure-milestones": 0,
            "measure-fully": "false",
            "detector-images": 0,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self._process = await asyncio.create_subprocess_exec(
            *tied("digitforge-train", "--not-latest", *arguments, in_background=True),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C in the terminal is the page's
        )  # fmt: skip
        self._watching = asyncio.create_task(self._watch(self._process))

    async def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        if self._process is None or self._watching is None:
            return
        if self.state == "running":
            self._is_stopping = True
            with suppress(ProcessLookupError):
                self._process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._watching), GRACE_S)
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._watching

    def remove(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    async def after(self, place: int, patience_s: float) -> list[Entry]:
        """What happened from entry `place` on; none where nothing did within `patience_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s), self._changed:
                await self._changed.wait_for(lambda: len(self.entries) > place)
        return self.entries[place:]

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        words = asyncio.create_task(_last_of(process.stderr))
        ended = asyncio.create_task(process.wait())
        while not ended.done():
            await asyncio.wait([ended], timeout=LOOK_S)
            await self._add(await asyncio.to_thread(self._log.news))
        if ended.result() == 0:
            self.state = "finished"
        elif self._is_stopping:
            self.state = "stopped"
        else:
            self.state, self.message = "failed", _reason(await words) or f"it ended with {ended.result()}"
        await words
        await self._add([Entry("ended", {"state": self.state, "message": self.message})])

    async def _add(self, entries: list[Entry]) -> None:
        if entries:
            async with self._changed:
                self.entries += entries
                self._changed.notify_all()


class Trainer:
    """Starts runs, one at a time. Use it as a context manager: the last one ends with it."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self._starting = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["Trainer"]:
        """With no run yet."""
        trainer = cls()
        try:
            yield trainer
        finally:
            await trainer.stop()
            if trainer.run is not None:
                trainer.run.remove()

    async def start(self, lr_g: float, lr_d: float, images: int) -> Run:
        """Start a run; the one before is forgotten.

        Raises:
            ProblemError: One is running.
        """
        async with self._starting:
            if self.run is not None and self.run.state == "running":
                raise ProblemError(HTTPStatus.CONFLICT, "a run is going on already; stop it first")
            if self.run is not None:
                self.run.remove()
            self.run = Run(self.run.number + 1 if self.run else 1, lr_g, lr_d, images)
            await self.run.start()
            return self.run

    async def stop(self) -> None:
        """Stop the run, where one is going on."""
        if self.run is not None:
            await self.run.stop()


async def _last_of(stream: asyncio.StreamReader) -> bytes:
    last = b""
    while piece := await stream.read(LAST_WORDS):
        last = (last + piece)[-LAST_WORDS:]
    return last


def _reason(said: bytes) -> str:
    """The last line that is no progress bar's."""
    lines = [line.strip() for line in said.decode(errors="replace").replace("\r", "\n").splitlines()]
    return next((line for line in reversed(lines) if line and not line.startswith("training:")), "")
