"""Processes of one thread each that compute together on this machine's cores. The trainer starts and ends them itself.

Threads of one process meet at every small operation, some hundred times a step, and spin while they wait: for the one
that the system has taken off its core for another program, all others burn their own. Processes meet a few times a
step, and sleep while they wait, so that a busy machine costs its share and no more. docs/decisions tells more.

They are forked, so that what is in memory is there for all. What they meet at is a pipe each: when either end's process
dies, the other one reads its end, so that nobody waits for the dead and no process stays behind.
"""

import mmap
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

import torch
from torch import Tensor

from evaluation.threads import torch_threads
from training.config import TrainingConfig
from training.workers import Workers

SLOT = 1 << 24  # bytes that a process shows the others at once; memory that is never written to is none
SMALLEST_SHARE = 32  # rows of a step; of fewer, the operations cost more than what they compute
Result = TypeVar("Result")


class WorkerLostError(Exception):
    """A process that computed together with this one is no more."""


def processes_for(config: TrainingConfig, device: torch.device) -> int:
    """How many processes a run gets where its config does not say: as many as there are cores, and rows enough for.

    One where threads have to do: on a GPU, with BatchNorm, whose statistics are of a batch, and on other systems than
    Linux. So it is beside a GPU that is not used: torch keeps threads for it, which a fork loses.
    """
    batch_norm = config.generator_batch_norm or config.discriminator_batch_norm
    if device.type != "cpu" or batch_norm or sys.platform != "linux" or torch.accelerator.is_available():
        return 1
    return max(1, min(torch.get_num_threads(), config.step_size // SMALLEST_SHARE))


@contextmanager
def workers_here(count: int, work: Callable[[Workers], None]) -> Iterator[Workers]:
    """This process and `count` - 1 forked ones, which run `work` meanwhile; alone, this one with the threads it has.

    The others are ended with the context, wherever they are, and end by themselves when this process dies. Ctrl-C and
    SIGTERM are this one's business.

    Raises:
        WorkerLostError: Where the workers add up, in the place of those that wait for one that is no more.
    """
    if count == 1:
        yield Workers()
        return
    memory = torch.frombuffer(mmap.mmap(-1, 2 * count * SLOT), dtype=torch.uint8).view(2, count, SLOT)

    def start(rank: int, here: Connection) -> None:
        def meet() -> None:
            here.send(None)
            here.recv()

        work(Workers(rank, count, _Sum(memory, rank, meet)))

    with _forked(count - 1, lambda index, here: start(index + 1, here)) as others:

        def meet() -> None:
            for other in others:
                other.receive()
            for other in others:
                other.send()

        with torch_threads(1):
            yield Workers(0, count, _Sum(memory, 0, meet))


def spread(function: Callable[[int], Result], length: int, count: int) -> Generator[Result]:
    """What `function` makes of the numbers up to `length`, in their order, by so many processes; close it at its end.

    Raises:
        WorkerLostError: One of the processes is no more. What `function` raises is raised here.
    """
    if count == 1:
        yield from map(function, range(length))
        return

    def work(index: int, here: Connection) -> None:
        for number in range(index, length, count):
            here.send(function(number))

    with _forked(count, work) as others:
        for number in range(length):
            yield others[number % count].receive()


class _Sum:
    """Adds up weighted tensors over the processes, in the same order in each of them, so that all get the same bits.

    Each copies its tensor where all see it, meets the others, and adds up by itself. The next time takes the other half
    of the memory: who comes to that meeting has read what was there the time before.
    """

    def __init__(self, memory: Tensor, rank: int, meet: Callable[[], None]) -> None:
        self._memory = memory
        self._rank = rank
        self._meet = meet
        self._turn = 0

    def __call__(self, flat: Tensor, weight: float) -> None:
        for part in flat.split(SLOT // flat.element_size()):
            slots = self._memory[self._turn, :, : part.nbytes].view(part.dtype)
            self._turn = 1 - self._turn
            torch.mul(part, weight, out=slots[self._rank])
            self._meet()
            torch.add(slots[0], slots[1], out=part)
            for slot in slots[2:]:
                part.add_(slot)


class _Other:
    """A forked process, as the one that forked it sees it."""

    def __init__(self, process: ForkProcess, connection: Connection) -> None:
        self.process = process
        self.connection = connection

    def receive(self) -> Any:
        try:
            found = self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._lost() from error
        if isinstance(found, Exception):
            raise found
        return found

    def send(self) -> None:
        try:
            self.connection.send(None)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._lost() from error

    def _lost(self) -> WorkerLostError:
        self.process.join()
        code = self.process.exitcode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        short = ", as the system does where memory is short" if code == -signal.SIGKILL else ""
        return WorkerLostError(f"one of the processes that compute together, PID {self.process.pid}, {how}{short}")


@contextmanager
def _forked(count: int, work: Callable[[int, Connection], None]) -> Iterator[list[_Other]]:
    """So many processes that run `work` with their index and their end of a pipe each; ended with the context."""
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(count)]

    def run(index: int) -> None:
        for number, (ours, theirs) in enumerate(pipes):  # an end is shut only where nobody else holds it
            ours.close()
            if number != index:
                theirs.close()
        for wish in (signal.SIGINT, signal.SIGTERM):
            signal.signal(wish, signal.SIG_IGN)
        torch.set_num_threads(1)
        here = pipes[index][1]
        with suppress(EOFError, ConnectionError):  # the one that forked it is no more
            try:
                work(index, here)
            except Exception as error:
                here.send(error)  # that one says it

    others = []
    try:
        with warnings.catch_warnings():
            # Threads that a fork does not take along: torch's own, which a process of one thread does not ask for.
            warnings.simplefilter("ignore", DeprecationWarning)
            for index, (ours, _) in enumerate(pipes):
                process = context.Process(target=run, args=(index,), daemon=True)
                process.start()
                others.append(_Other(process, ours))
        for _, theirs in pipes:
            theirs.close()
        yield others
    finally:
        for other in others:
            other.process.kill()
            other.process.join()
        for ours, _ in pipes:
            ours.close()
