"""A picture process: takes pictures from the workers' line and has them decoded in a process that it forks.

This one loads NumPy and Pillow once, for all that it forks, and never decodes anything itself. So no picture ends it,
and it can say why one was not decoded.
"""

import gc
import os
import select
import signal
import socket
import warnings
from contextlib import suppress
from types import FrameType

from serving.digits.picture_job import TAKEN
from serving.process.picture_decoder import Decoder, Limits


def work(line: socket.socket, limits: Limits) -> None:
    """Decode pictures until SIGTERM.

    Args:
        line: A datagram socket that brings one end of a stream for each picture; see `serving.digits.picture_job`.
        limits: Of each.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no threads, as it forks
    # Only now: the parent, who forks this process, loads neither NumPy nor Pillow.
    from digitforge.pictures import images

    images.load_formats()
    warnings.simplefilter("ignore")  # of Pillow, about what strangers send: a line of the log for each
    gc.freeze()  # what is loaded stays shared with what is forked
    signal.signal(signal.SIGTERM, _end)
    line.setblocking(False)  # another process may be faster
    jobs = select.poll()
    jobs.register(line, select.POLLIN)
    decoder: Decoder | None = None
    try:
        while True:
            jobs.poll()
            if (job := _take(line)) is None:
                continue
            with job:
                if decoder is None or decoder.has_ended():
                    # In the middle of a fork Python has code to run that passes over all errors, and with them
                    # over SystemExit: what comes then is heard afterwards.
                    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
                    decoder = Decoder(limits)
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
                if not decoder.decode(job):
                    decoder = None
    finally:
        if decoder is not None:
            decoder.end()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _take(line: socket.socket) -> socket.socket | None:
    """A job of which the caller knows that it is taken; None where another process was faster, or the caller has gone.

    Raises:
        OSError: The line is broken.
    """
    with suppress(BlockingIOError):
        for handle in socket.recv_fds(line, 1, 1)[1]:
            job = socket.socket(fileno=handle)
            job.setblocking(True)
            try:
                job.sendall(TAKEN)
            except OSError:
                job.close()
                return None
            return job
    return None
