"""What a burst leaves behind is given back once a worker is quiet, and told where it cannot be."""

import platform
import subprocess
import sys
import time

import pytest

from serving.process.memory import GROWTH_BYTES, PAUSE_S, SPARE_BYTES, Memory, resident_bytes, trim


class Process:
    """One that begins with 100 MB, and can give back what is `spare`."""

    def __init__(self) -> None:
        self.resident, self.spare, self.busy_s = 100 << 20, 0, 0.0
        self.now, self.given_back = time.monotonic(), 0
        self.memory = Memory(lambda: self.resident, self.give_back, lambda: self.busy_s)

    def give_back(self) -> None:
        self.resident, self.spare, self.given_back = self.resident - self.spare, 0, self.given_back + 1

    def grow(self, size: int, spare: int) -> None:
        self.resident, self.spare = self.resident + size, spare

    def look(self, after_s: float = 1.0, busy_s: float = 0.0) -> str | None:
        self.now, self.busy_s = self.now + after_s, self.busy_s + busy_s
        return self.memory.look(self.now)


def test_memory_is_given_back_once_the_burst_is_over() -> None:
    process = Process()
    process.grow(GROWTH_BYTES * 2, spare=GROWTH_BYTES * 2)
    assert [process.look(busy_s=0.5) for _ in range(3)] == [None] * 3
    assert process.given_back == 0
    assert process.look() is None
    assert (process.given_back, process.resident) == (1, 100 << 20)


def test_a_little_more_than_at_the_start_is_left_alone() -> None:
    process = Process()
    process.grow(SPARE_BYTES - 1, spare=0)
    process.look()
    assert process.given_back == 0
    process.grow(1, spare=0)
    process.look()
    assert process.given_back == 1


def test_what_stays_is_looked_at_again_after_a_pause_and_told_beyond_the_limit() -> None:
    process = Process()
    process.grow(GROWTH_BYTES, spare=0)
    assert process.look() is None
    process.grow(1 << 20, spare=0)
    assert process.look(PAUSE_S - 1) is None
    assert process.given_back == 1
    assert process.look(1) == "keeps 513 MB more than at its start"
    assert process.given_back == 2


@pytest.mark.skipif(not resident_bytes(), reason="reads the memory from Linux's /proc")
def test_what_was_freed_between_what_is_in_use_goes_back_to_the_system() -> None:
    blocks = [bytes(60_000) for _ in range(1500)]  # 90 MB
    kept = blocks[::100]
    blocks.clear()
    before = resident_bytes()
    trim()
    assert before - resident_bytes() > 60 << 20
    assert len(kept) == 15


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a heap for each thread is glibc's way")
def test_threads_take_their_memory_from_one_heap() -> None:
    program = """
import ctypes, threading
from pathlib import Path
from serving.process.memory import share_one_heap

share_one_heap()
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
places = []

def work():
    together.wait()  # all are there at once
    places.extend(malloc(1000) for _ in range(100))

together = threading.Barrier(4)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
(heap,) = [line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]")]
start, end = (int(each, 16) for each in heap.split("-"))
print(sum(start <= place < end for place in places))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "400\n"
