"""The line for the picture processes, as a worker sees it: pictures wait here in turns, and are decoded there.

Nothing of a picture is decoded in this process. Each connection has its turn, so one that sends many waits for itself.
"""

import array
import asyncio
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from digitforge.pictures.decoded import Decoded, Found
from digitforge.pictures.errors import PictureError
from digitforge.pictures.sizes import SIDE
from serving.digits.picture_job import DECODED, LENGTH, REFUSED, TAKEN, Answer
from serving.errors import DeadlineExceededError, InternalError, ResourceExhaustedError
from serving.fair_turns import FairTurns

MOST_WAITING = 256  # pictures, of all connections of a worker ...
MOST_WAITING_BYTES = 64 << 20  # ... and of their files
RETRY_AFTER_S = 1.0
ANSWER_BYTES = 4096


@dataclass(eq=False)
class _Turn:
    """A picture that waits."""

    peer: str
    size: int
    come: asyncio.Future[None]


class PictureLine:
    """Has pictures decoded in the picture processes. Make it within a running event loop.

    Args:
        line: A datagram socket of which the picture processes hold the other end.
        at_a_time: Pictures in work: as many as there are processes.
        most_waiting, most_waiting_bytes: See `MOST_WAITING` and `MOST_WAITING_BYTES`.
    """

    def __init__(
        self,
        line: socket.socket,
        at_a_time: int,
        most_waiting: int = MOST_WAITING,
        most_waiting_bytes: int = MOST_WAITING_BYTES,
    ) -> None:
        line.setblocking(False)
        self._line = line
        self._places = at_a_time
        self._most_waiting, self._most_waiting_bytes = most_waiting, most_waiting_bytes
        self._turns: FairTurns[_Turn] = FairTurns()
        self._sending = asyncio.Lock()
        self.waiting_bytes = 0

    async def decode(self, data: bytes, peer: str, deadline: float | None = None) -> Decoded:
        """A picture file in the detector's form, as `digitforge.pictures.images.decode_file` gives it.

        Args:
            data: The file.
            peer: Whose it is: everyone has a turn.
            deadline: A time of `time.monotonic()` after which nobody wants it.

        Raises:
            PictureError: It is damaged, or beyond a limit: of pixels, time or memory.
            ResourceExhaustedError: Too much is waiting, and most of it of this peer.
            DeadlineExceededError: The deadline passed before its turn came.
            InternalError: The process that had it has ended.
        """
        await self._take_place(len(data), peer)
        try:
            return _decoded(await self._ask(data, deadline))
        finally:
            self._leave_place()

    async def _take_place(self, size: int, peer: str) -> None:
        if self._places:
            self._places -= 1
            return
        turn = _Turn(peer, size, asyncio.get_running_loop().create_future())
        self._turns.put(peer, turn)
        self.waiting_bytes += size
        self._make_room()
        try:
            await turn.come
        except asyncio.CancelledError:
            if self._turns.remove(peer, turn):
                self.waiting_bytes -= size
            elif not turn.come.cancelled() and turn.come.exception() is None:
                self._leave_place()  # the place has come, and nobody is there to take it
            raise

    @property
    def waiting(self) -> int:
        """Pictures that wait."""
        return len(self._turns)

    def _leave_place(self) -> None:
        """To the oldest picture of the peer whose turn it is."""
        while self._turns:
            _, turn = self._turns.take()
            self.waiting_bytes -= turn.size
            if not turn.come.done():
                turn.come.set_result(None)
                return
        self._places += 1

    def _make_room(self) -> None:
        """Refuse the newest pictures of whoever has the most here, until the rest is within the limits."""
        while self.waiting > self._most_waiting or (
            self.waiting_bytes > self._most_waiting_bytes and self.waiting > 1  # a large one may wait alone
        ):
            turn = max(self._turns.lines(), key=self._share)[-1]
            refusal = ResourceExhaustedError(
                f"image: {self.waiting} pictures of {self.waiting_bytes} bytes are waiting, the limits are "
                f"{self._most_waiting} and {self._most_waiting_bytes}",
                RETRY_AFTER_S,
            )
            self._turns.remove(turn.peer, turn)
            self.waiting_bytes -= turn.size
            if not turn.come.done():
                turn.come.set_exception(refusal)

    def _share(self, turns: list[_Turn]) -> float:
        return max(len(turns) / self._most_waiting, sum(turn.size for turn in turns) / self._most_waiting_bytes)

    async def _ask(self, data: bytes, deadline: float | None) -> Answer | None:
        """What a picture process says of a file; None where it has ended."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                _check(deadline)
                await self._send(theirs)
            ours.setblocking(False)
            if await loop.sock_recv(ours, 1) != TAKEN:
                return None
            _check(deadline)
            answer = bytearray()
            with suppress(ConnectionError):  # the answer may have come before all was sent
                await loop.sock_sendall(ours, LENGTH.pack(len(data)))
                await loop.sock_sendall(ours, data)
            with suppress(ConnectionError):
                while Answer.unpack(answer) is None and (part := await loop.sock_recv(ours, ANSWER_BYTES)):
                    answer += part
            return Answer.unpack(answer)

    async def _send(self, theirs: socket.socket) -> None:
        """One end of a stream, to whichever process takes it first."""
        message = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))]
        async with self._sending:  # one writer at a time waits for room
            while True:
                try:
                    self._line.sendmsg([b"\0"], message)
                    return
                except BlockingIOError:
                    await self._writable()

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        room = asyncio.Event()
        loop.add_writer(self._line, room.set)
        try:
            await room.wait()
        finally:
            loop.remove_writer(self._line)


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise DeadlineExceededError("the deadline passed while the picture was waiting")


def _decoded(answer: Answer | None) -> Decoded:
    if answer is None:
        raise InternalError("image: the process that decoded it has ended")
    if answer.kind == REFUSED:
        raise PictureError(answer.body.decode())
    if answer.kind != DECODED:
        raise InternalError(f"image: {answer.body.decode()}")
    normalised, found = answer.body[:2]
    pixels = np.frombuffer(answer.body, np.uint8, offset=2).reshape(SIDE, SIDE)
    return Decoded(pixels, normalised != 0, Found(found))
