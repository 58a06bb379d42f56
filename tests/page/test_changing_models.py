"""Addresses whose server changes its models: what is kept for ever is of the model that the address names."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from protos.digits.v1 import digits_pb2 as pb
from protos.digits.v1 import digits_pb2_grpc
from tests.processes import end, start_page

ONE, OTHER = "1" * 64, "2" * 64


class ChangingDigits(digits_pb2_grpc.DigitsServicer):
    """A server that has nothing of ours but the contract. Its model is always version 1, whichever it is.

    Attributes:
        model: The digest of the model.
        at_generate: What the model becomes as digits are asked for, the first one first, before it answers.
        tells: Whether its answers tell which model it is.
        was_listed: Set by each answer of ListModels.
    """

    def __init__(self) -> None:
        self.model = ONE
        self.at_generate: list[str] = []
        self.tells = True
        self.was_listed = threading.Event()

    def GenerateStream(self, request: pb.GenerateRequest, context: Any) -> Iterator[pb.GenerateResponse]:
        if self.at_generate:
            self.model = self.at_generate.pop(0)
        yield pb.GenerateResponse(
            images=[bytes([int(self.model[0])] * 784)] * request.n,
            height=28,
            width=28,
            seed=request.seed,
            offset=request.offset,
            version=1,
            generator_sha256=self.model if self.tells else "",
        )

    def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        self.was_listed.set()
        return pb.ListModelsResponse(models=[pb.Model(version=1, is_default=True, generator_sha256=self.model)])


@pytest.fixture
def digits() -> ChangingDigits:
    return ChangingDigits()


@pytest.fixture
def browser(digits: ChangingDigits, tmp_path: Path) -> Iterator[httpx.Client]:
    """Of a page beside that server, which knows its first model."""
    server = grpc.server(ThreadPoolExecutor(8))
    digits_pb2_grpc.add_DigitsServicer_to_server(digits, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    page = start_page(f"127.0.0.1:{port}", tmp_path / "stderr")
    with httpx.Client(base_url=page.address, timeout=60) as client:
        assert client.get(address(ONE)).status_code == 200
        yield client
    end(page)
    server.stop(None).wait()


def address(digest: str) -> str:
    return f"/v1/models/{digest}/digits/7/5.npz"


@pytest.mark.parametrize("tells", [True, False], ids=["telling", "older"])
def test_model_that_goes_as_it_is_asked_is_never_answered_for_by_its_successor(
    browser: httpx.Client, digits: ChangingDigits, tells: bool
) -> None:
    digits.tells = tells
    digits.at_generate = [OTHER]
    answer = browser.get(address(ONE))
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert browser.get(address(OTHER)).status_code == 200


def test_one_call_is_enough_where_the_answer_tells_its_model(browser: httpx.Client, digits: ChangingDigits) -> None:
    first = browser.get(address(ONE)).content
    digits.was_listed.clear()
    answer = browser.get(address(ONE))
    assert (answer.status_code, answer.content) == (200, first)
    assert not digits.was_listed.is_set()


def test_who_has_a_digit_is_told_once_its_model_is_gone(browser: httpx.Client, digits: ChangingDigits) -> None:
    having = {"if-none-match": browser.get(address(ONE)).headers["etag"]}
    assert browser.get(address(ONE), headers=having).status_code == 304
    digits.model = OTHER
    assert browser.get("/v1/models").json()["models"][0]["digest"] == OTHER
    assert browser.get(address(ONE), headers=having).status_code == 404
    digits.model = ONE
    assert browser.get(address(ONE), headers=having).status_code == 200  # it is served after all
    assert browser.get(address(ONE), headers=having).status_code == 304
