"""Workers that die and servers that are asked to stop, under load: nobody who was taken is lost."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.attacks.calls import GENERATE, GENERATE_STREAM, WATCH, generate, health
from benchmarks.attacks.canary import Calls
from benchmarks.attacks.peer import OK, PREFACE, Peer, TimeUpError, window_update
from benchmarks.attacks.server import Server, serving
from benchmarks.attacks.target import Target
from benchmarks.attacks.trial import Outcome, Range
from digitforge import Client
from digitforge.errors import DigitforgeError

CLIENTS = 8
BLOW_S = 3.0  # between a signal and the next
PEERS, STREAMS = 4, 25  # connections, and calls in flight on each
STREAM_IMAGES = 20_000  # of the stream that is in flight at a SIGTERM
PIXELS = 28 * 28
UNREAD_END_S = 6.0  # after a grace of one
GRACE_S = 20.0  # that a server under SIGTERM may take
ANSWER_S = 2.0  # within which an accepted connection hears something


def killed_workers(range_: Range, repository: Path, transport: str, count: int) -> Outcome:
    """A worker of two is killed every 3 s: the project's client sees no error."""
    return _shaken("killed-workers", _kill_worker, range_, repository, transport, count)


def restarted_workers(range_: Range, repository: Path, transport: str, count: int) -> Outcome:
    """SIGHUP every 3 s to a server of two workers: the project's client sees no error."""
    return _shaken("restarted-workers", _restart, range_, repository, transport, count)


def terminated_servers(range_: Range, repository: Path, transport: str, count: int) -> Outcome:
    """SIGTERM with 100 calls and a stream in flight: every call that was taken is answered; nobody new is stranded."""
    right, found, stranded, chance = 0, Counter[str](), 0, Random(0)
    for _ in range(count):
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(repository, transport, "--workers", "2", name="terminated-servers") as server,
        ):
            begun = Path(folder) / "begun"
            load = range_.attacker.submit(call_until_the_end, server.port, GRACE_S, begun)
            while not begun.exists() and not load.done():
                time.sleep(0.01)
            time.sleep(0.2 + chance.random() / 2)
            server.process.send_signal(signal.SIGTERM)
            stranded += _knock_until_the_end(server)
            answered, lost = load.result()
            right += answered
            found += lost
            found["STILL_THERE" if server.is_there() else "EXIT_CODE"] += server.process.poll() != 0
    hurt = f"{stranded} connections were accepted and never heard of" if stranded else ""
    return Outcome("terminated-servers", Calls(right, refused=+found), hurt, count)


def unread_at_the_end(range_: Range, repository: Path, transport: str, count: int) -> Outcome:
    """SIGTERM while 4 connections read none of their answers and watch the health: the server ends in time."""
    name, hurt = "unread-at-the-end", ""
    with serving(repository, transport, "--workers", "1", "--grace-s", "1", name=name) as server:
        holding = range_.attacker.submit(leave_unread, server.port, GRACE_S)
        time.sleep(2)
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(UNREAD_END_S)
        except subprocess.TimeoutExpired:
            hurt = f"the server is still there {UNREAD_END_S:g} s after SIGTERM"
            server.process.kill()
        holding.result()
    return Outcome(name, Calls(), hurt)


def leave_unread(port: int, seconds: float) -> None:
    """Ask for much, read nothing, until the server hangs up."""
    target = Target(port, seconds)
    peers = [target.connect(receive_buffer=4096) for _ in range(4)]
    for peer in peers:
        for seed in range(4):
            peer.call(GENERATE, generate(4096, seed))
        peer.call(WATCH, health(""))
    with suppress(TimeUpError, ConnectionError):
        while True:  # what is sent to a connection that is gone fails
            peers[0].write(window_update(0, 1))
            time.sleep(0.1)
    target.drop()


def call_by_client(port: int, seconds: float) -> Calls:
    """Calls of some of the project's clients, one after another each."""
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        all_ = list(pool.map(lambda seed: _one_client(port, seed, end), range(CLIENTS)))
    return Calls(
        sum(calls.right for calls in all_),
        sum(calls.wrong for calls in all_),
        sum((calls.refused for calls in all_), Counter[str]()),
        next((calls.words for calls in all_ if calls.words), ""),
        tuple(sorted(latency for calls in all_ for latency in calls.latencies_ms)),
    )


def call_until_the_end(port: int, seconds: float, begun: Path) -> tuple[int, Counter[str]]:
    """Keep many calls in flight until the server hangs up; `begun` is a file from the moment on that all are connected.

    Returns:
        How many were answered rightly; and of those that it took, by its GOAWAY's word, what became of the others.
    """
    target = Target(port, seconds)
    first = target.connect()
    want = bytes(first.answer(first.call(GENERATE, generate(3)), 10).body)
    streaming = target.connect()
    stream = streaming.call(GENERATE_STREAM, generate(STREAM_IMAGES))
    peers = [target.connect() for _ in range(PEERS)]
    begun.touch()
    sent: dict[Peer, list[int]] = {peer: [] for peer in peers}
    with suppress(TimeUpError):
        while not all(peer.is_gone for peer in (*peers, streaming)):
            for peer in peers:
                with suppress(ConnectionError):
                    _fill(peer, sent[peer])
                peer.read(0.001)
            streaming.read()
    outcomes = Counter(_outcome(peer, call, want) for peer in peers for call in sent[peer])
    whole = streaming.answers[stream].status == OK and len(streaming.answers[stream].body) > STREAM_IMAGES * PIXELS
    outcomes["RIGHT" if whole else "STREAM_LOST"] += 1
    target.drop()
    right = outcomes.pop("RIGHT", 0)
    outcomes.pop("NOT_TAKEN", None)
    return right, outcomes


def _fill(peer: Peer, sent: list[int]) -> None:
    """As many calls as there may be, as long as the server takes them."""
    in_flight = len(sent) - sum(answer.is_over for answer in peer.answers.values())
    for _ in range(STREAMS - in_flight if peer.end is None else 0):
        sent.append(peer.call(GENERATE, generate(3)))


def _outcome(peer: Peer, stream: int, want: bytes) -> str:
    answer = peer.answers[stream]
    if answer.status == OK:
        return "RIGHT" if answer.body == want else "WRONG"
    if peer.end is not None and stream > peer.end.last_stream_id:
        return "NOT_TAKEN"
    return "LOST" if answer.status is None else f"STATUS_{answer.status}"


def _knock_until_the_end(server: Server) -> int:
    """New connections while a server stops; how many were accepted and heard nothing, not even their end."""
    stranded, end = 0, time.monotonic() + GRACE_S
    while server.is_there() and time.monotonic() < end:
        with suppress(ConnectionError), socket.create_connection(("127.0.0.1", server.port), ANSWER_S) as knock:
            knock.sendall(PREFACE + b"\0\0\0\4\0\0\0\0\0")
            try:
                knock.recv(64)
            except TimeoutError:
                stranded += 1
        time.sleep(0.05)
    return stranded


def _shaken(
    name: str, blow: Callable[[Server, Random], None], range_: Range, repository: Path, transport: str, count: int
) -> Outcome:
    chance = Random(0)
    with serving(repository, transport, "--workers", "2", name=name) as server:
        load: Future[Calls] = range_.caller.submit(call_by_client, server.port, (count + 1) * BLOW_S)
        for _ in range(count):
            time.sleep(BLOW_S)
            blow(server, chance)
        calls = load.result()
        return Outcome(name, calls, "" if server.is_there() else "the server has ended", count)


def _kill_worker(server: Server, chance: Random) -> None:
    with suppress(ProcessLookupError, IndexError):
        os.kill(chance.choice(server.workers()), signal.SIGKILL)


def _restart(server: Server, _: Random) -> None:
    server.process.send_signal(signal.SIGHUP)


def _one_client(port: int, seed: int, end: float) -> Calls:
    right, wrong, latencies, failed, words = 0, 0, [], Counter[str](), ""
    with Client(f"127.0.0.1:{port}", timeout_s=30) as client:
        want = client.generate(3, seed=seed).images
        while (start := time.monotonic()) < end:
            try:
                is_right = np.array_equal(client.generate(3, seed=seed).images, want)
            except DigitforgeError as error:
                failed[type(error).__name__] += 1
                words = words or str(error)
            else:
                right += is_right
                wrong += not is_right
            latencies.append((time.monotonic() - start) * 1000)
            time.sleep(0.02)
    return Calls(right, wrong, failed, words, tuple(latencies))


ENDS = (killed_workers, restarted_workers, terminated_servers, unread_at_the_end)
