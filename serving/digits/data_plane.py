"""What the server does, apart from any protocol: check what is asked, generate digits, score images."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitforge.pictures.decoded import Decoded, Found
from digitforge.verdict import Verdict
from serving.digits.pair import Pair
from serving.digits.unwanted import drop
from serving.digits.verdicts import NOTHING, Seen, verdict
from serving.errors import InvalidArgumentError, NotFoundError, ResourceExhaustedError
from serving.settings import Settings

STREAM_LENGTH = 2**64  # images of a seed
SEEDS = 256  # that are drawn together
LOOK_AHEAD = 2  # chunks of a stream in the making: one to send, one to follow


class GenerateOrder(NamedTuple):
    """What to generate, checked. A stream stays on the version that it began with."""

    version: Pair
    seed: int
    n: int
    offset: int
    digit: int | None


class Digits(NamedTuple):
    """Generated images uint8[n, 28, 28] from `offset` on, and the class of each where the model has classes."""

    images: NDArray[np.uint8]
    classes: NDArray[np.int64] | None
    offset: int


@dataclass(frozen=True)
class Score:
    """What is said of an image, and by which version."""

    verdict: Verdict
    version: int
    seen: Seen


class _Seeds:
    """Seeds that nobody can guess, of random bytes that the system is asked for once for many."""

    def __init__(self) -> None:
        self._seeds: Iterator[int] = iter(())

    def next(self) -> int:
        """One of 64 bits."""
        if (seed := next(self._seeds, None)) is None:
            self._seeds = iter(memoryview(secrets.token_bytes(8 * SEEDS)).cast("Q").tolist())
            seed = next(self._seeds)
        return seed


class DataPlane:
    """The server's work on its loaded model versions.

    Args:
        versions: By number.
        settings: The limits.
    """

    def __init__(self, versions: Mapping[int, Pair], settings: Settings) -> None:
        self.versions = versions
        self._seeds = _Seeds()
        self.settings = settings

    @property
    def default(self) -> int:
        """The version that 0 means: the newest."""
        return max(self.versions)

    def version(self, number: int) -> Pair:
        """A served version by its number; 0 is the default.

        Raises:
            NotFoundError: It is not served.
        """
        if number == 0:
            return self.versions[self.default]
        if number not in self.versions:
            raise NotFoundError(f"version: {number} is not served; served are {sorted(self.versions)}")
        return self.versions[number]

    def order(
        self, seed: int | None, n: int | None, offset: int, digit: int | None, version: int, limit: int
    ) -> GenerateOrder:
        """Check what is asked of Generate, and fill in what is absent.

        Raises:
            InvalidArgumentError: A value is out of bounds.
            NotFoundError: The version is not served.
        """
        served = self.version(version)
        n = 1 if n is None else n
        if n == 0:
            raise InvalidArgumentError("n", "0 images are asked for; at least 1 must be")
        if n > limit:
            hint = "; more goes by GenerateStream" if limit == self.settings.max_images else ""
            raise InvalidArgumentError("n", f"{n} images are asked for, the limit is {limit}{hint}")
        if offset + n > STREAM_LENGTH:
            raise InvalidArgumentError("offset", f"{offset} + {n} images go beyond the stream's end at 2^64")
        classes = served.metadata.classes
        if digit is not None and not classes:
            raise InvalidArgumentError("digit", f"{digit} is asked for, but version {served.number} has no classes")
        if digit is not None and digit >= classes:
            raise InvalidArgumentError("digit", f"{digit} is asked for, digits go from 0 to {classes - 1}")
        return GenerateOrder(served, self._seeds.next() if seed is None else seed, n, offset, digit)

    def generate(self, order: GenerateOrder, deadline: float | None = None) -> Coroutine[Any, Any, Digits]:
        """All images of an order at once."""
        return self._generate(order, 0, order.n, deadline)

    async def generate_chunks(self, order: GenerateOrder, deadline: float | None = None) -> AsyncIterator[Digits]:
        """The images of an order in chunks. The next chunk is made while the reader takes one, and none beyond it.

        A full queue refuses a stream at its first chunk only: later ones wait for room, as nothing that was sent may
        be lost.
        """
        chunk = self.settings.stream_chunk_images

        async def make(start: int) -> Digits:
            while True:
                try:
                    return await self._generate(order, start, min(chunk, order.n - start), deadline)
                except ResourceExhaustedError as error:
                    if start == 0:
                        raise
                    await asyncio.sleep(error.retry_after_s)

        starts = iter(range(0, order.n, chunk))
        ahead: list[asyncio.Task[Digits]] = []
        try:
            while True:
                while len(ahead) < LOOK_AHEAD and (start := next(starts, None)) is not None:
                    ahead.append(asyncio.create_task(make(start)))
                if not ahead:
                    return
                yield await ahead.pop(0)
        finally:
            drop(ahead)

    async def score(self, image: Decoded, version: int, deadline: float | None = None) -> Score:
        """Score an image.

        Raises:
            NotFoundError: The version is not served.
        """
        served = self.version(version)
        if image.found is Found.NOTHING:
            return Score(Verdict.NOTHING_FOUND, served.number, NOTHING)
        seen = await served.see(image.pixels, deadline)
        return Score(verdict(image.found, seen, served.thresholds), served.number, seen)

    async def close(self) -> None:
        """Answer what waits, then stop."""
        for version in self.versions.values():
            await version.close()

    async def _generate(self, order: GenerateOrder, start: int, count: int, deadline: float | None) -> Digits:
        offset = order.offset + start
        classes = order.version.metadata.classes
        digits = None
        if classes and order.digit is not None:
            digits = np.full(count, order.digit, np.int64)
        elif classes:
            first = offset % classes  # image i has class i mod their number
            digits = np.array([first]) if count == 1 else (first + np.arange(count)) % classes
        answer = await order.version.generate(order.seed, offset, digits, count, deadline)
        return Digits(answer["images"], digits, offset)
