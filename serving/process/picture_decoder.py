"""The process in which pictures are decoded: forked by a picture process, for one picture after another.

The system itself ends it at the limit of processor time, wherever in a decoder it is, and holds it to its limit of
memory. It ends by itself after a picture that took much memory, which so is given back.
"""

import os
import resource
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn, Self

from digitforge.pictures.errors import PictureError
from serving.digits.picture_job import DECODED, FAILED, LENGTH, REFUSED, Answer

PATIENCE = 4  # times the limit of processor time may pass by the clock: others want the processor too
BASE_BYTES = 384 << 20  # of address space, of which the interpreter and its libraries take 180 MB, and files some
PIXEL_BYTES = 20  # of address space for each pixel: four copies of four bytes are the most that was seen
MUCH_KB = 96 << 10  # resident at most, as getrusage tells it: after more, a process ends; it begins with 45 MB
FIRST_HANDLE = 3  # after standard input, output and error
NEXT, LAST = b"N", b"L"  # what a decoder says after a picture: it takes another, or it ends


@dataclass(frozen=True)
class Limits:
    """Of one picture.

    Attributes:
        pixels: Width times height.
        seconds: Of processor time.
        memory: Bytes of address space.
    """

    pixels: int
    seconds: float
    memory: int

    @classmethod
    def of(cls, pixels: int, seconds: float) -> Self:
        """With as much memory as so many pixels need."""
        return cls(pixels, seconds, BASE_BYTES + PIXEL_BYTES * pixels)


class Decoder:
    """A process forked from this one, and the stream on which it gets its pictures."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._control, theirs = socket.socketpair()
        self._pid = os.fork()
        if not self._pid:
            _live(theirs, limits)
        theirs.close()

    def has_ended(self) -> bool:
        """By itself, between two pictures."""
        ended: bool = os.waitpid(self._pid, os.WNOHANG)[0] != 0
        if ended:
            self._control.close()
        return ended

    def decode(self, job: socket.socket) -> bool:
        """Have the picture of a job decoded and answered, unless its caller goes; whether the process is still there.

        Args:
            job: See `serving.digits.picture_job`; its end is told by this, however it ends.
        """
        with suppress(OSError):  # it has just ended, which is heard below
            socket.send_fds(self._control, [b"\0"], [job.fileno()])
        waited = select.poll()
        waited.register(self._control, select.POLLIN)
        waited.register(job, 0)  # hangs up when its caller goes
        ready = dict(waited.poll())
        if self._control.fileno() not in ready:
            self.end()
            return False
        told = b""
        with suppress(OSError):
            told = self._control.recv(1)
        if told == NEXT:
            return True
        self._control.close()
        _, status = os.waitpid(self._pid, 0)
        if os.WIFSIGNALED(status):
            with suppress(OSError):
                job.sendall(_of_its_end(signal.Signals(os.WTERMSIG(status)), self._limits).pack())
        return False

    def end(self) -> None:
        """At once."""
        self._control.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _of_its_end(by: signal.Signals, limits: Limits) -> Answer:
    if by in (signal.SIGPROF, signal.SIGALRM):
        return Answer(REFUSED, f"takes longer to decode than the limit of {limits.seconds:g} s".encode())
    return Answer(FAILED, f"the process that decoded it was ended by {by.name}".encode())


def _live(control: socket.socket, limits: Limits) -> NoReturn:
    """The forked process's whole life."""
    try:
        # By the default action of these signals the process ends, even where no Python runs.
        for number in (signal.SIGTERM, signal.SIGPROF, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # held back while this was forked
        control = _alone_with(control)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":  # elsewhere it may be refused, and holds nobody
            resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
        while handles := socket.recv_fds(control, 1, 1)[1]:
            with socket.socket(fileno=handles[0]) as job:
                _work_on(job, control, limits)
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(0)  # nothing of what the process it was forked from has to do at its end


def _alone_with(control: socket.socket) -> socket.socket:
    """Close all else that was inherited: who waits for this process's parent to end must not have to wait for both."""
    kept = os.dup2(control.detach(), FIRST_HANDLE)
    os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return socket.socket(fileno=kept)


def _work_on(job: socket.socket, control: socket.socket, limits: Limits) -> None:
    signal.setitimer(signal.ITIMER_PROF, limits.seconds)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * limits.seconds)
    try:
        answer = _answer(_read(job), limits).pack()
    except OSError:  # the caller has gone
        answer = b""
    for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
        signal.setitimer(timer, 0)
    is_last = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MUCH_KB
    # Before the answer: with it the caller may go, which must not look as if this were still at work.
    control.sendall(LAST if is_last else NEXT)
    with suppress(OSError):
        job.sendall(answer)
    if is_last:
        os._exit(0)


def _read(job: socket.socket) -> bytes:
    """Raises OSError where the caller has gone."""
    with job.makefile("rb") as stream:
        head = stream.read(LENGTH.size)
        length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else -1
        data = stream.read(length) if length >= 0 else b""
    if len(data) != length:
        raise ConnectionResetError("the picture has not come whole")
    return data


def _answer(data: bytes, limits: Limits) -> Answer:
    from digitforge.pictures import images  # loaded before the fork

    try:
        decoded = images.decode_file(data, limits.pixels)
    except PictureError as error:
        return Answer(REFUSED, str(error).encode())
    except MemoryError:
        return Answer(REFUSED, f"takes more memory to decode than the limit of {limits.memory} bytes".encode())
    except Exception as error:  # whatever Pillow stumbles upon, on damage that it does not expect
        return Answer(REFUSED, f"the decoder fails on it: {type(error).__name__}: {error}".encode())
    return Answer(DECODED, bytes([decoded.normalised, decoded.found]) + decoded.pixels.tobytes())
