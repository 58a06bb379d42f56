"""Scores of what a visitor brings, in whatever way."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from digitforge import Client
from digitforge.pictures.png import encode_png


@pytest.fixture(scope="module")
def image(address: str) -> np.ndarray:
    with Client(address) as client:
        return client.generate(1, seed=7, offset=5).images[0]


def file_of(image: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def test_all_ways_to_bring_a_picture_have_the_servers_answer(
    browser: httpx.Client, image: np.ndarray, address: str
) -> None:
    png = encode_png(image)
    answers = [
        browser.post("/v1/score", content=png, headers={"content-type": "image/png"}),
        browser.post("/v1/score", content=image.tobytes()),
        browser.post("/v1/score", files={"file": ("digit.tif", file_of(image, "TIFF"))}),
        browser.post("/v1/score", json={"image": base64.b64encode(png).decode()}),
        browser.post("/v1/score", json={"image": f"data:image/png;base64,{base64.b64encode(png).decode()}"}),
    ]
    with Client(address) as client:
        score = client.score(image)
    for answer in answers:
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        found = answer.json()
        assert found.pop("map") is None
        assert base64.b64decode(found.pop("scored_image")) == image.tobytes()
        assert found == {
            "verdict": "generated",
            "real": False,
            "real_probability": pytest.approx(score.real_probability),
            "digit": 5,
            "class_name": "5",
            "digit_probability": pytest.approx(score.digit_probability),
            "one_digit_probability": pytest.approx(score.one_digit_probability),
            "version": score.version,
            "normalised": False,
        }


def test_map_tells_what_each_covered_place_makes_of_the_score(
    browser: httpx.Client, image: np.ndarray, address: str
) -> None:
    found = browser.post("/v1/score?map=true", content=image.tobytes()).json()["map"]
    assert (found["rows"], found["columns"], found["patch"], found["stride"]) == (12, 12, 6, 2)
    with Client(address) as client:
        for row, column in ((0, 0), (5, 6), (11, 2)):
            covered = image.copy()
            covered[2 * row : 2 * row + 6, 2 * column : 2 * column + 6] = 0
            wanted = client.score(covered).real_probability
            assert found["real_probability"][row][column] == pytest.approx(wanted, abs=1e-5)


def test_blank_picture_has_no_map(browser: httpx.Client) -> None:
    found = browser.post("/v1/score?map=true", content=bytes(784)).json()
    assert (found["verdict"], found["map"], found["digit"]) == ("nothing_found", None, None)


@pytest.mark.parametrize(
    ("request_of", "status", "field"),
    [
        ({"content": b""}, 422, "body"),
        ({"content": b"no picture", "headers": {"content-type": "image/png"}}, 422, "image"),
        ({"content": b"a=b", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 415, "Content-Type"),
        ({"json": {"image": "***"}}, 422, "image"),
        ({"json": {"image": ""}}, 422, "image"),
        ({"json": {}}, 422, "image"),
        ({"json": []}, 422, "body"),
        ({"files": {"other": b"a"}}, 422, "file"),
        ({"data": {"file": "text"}, "files": {"other": b"a"}}, 422, "file"),
        ({"content": b"--", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 422, "file"),
        ({"content": b"--", "headers": {"content-type": "multipart/form-data"}}, 422, "file"),
        ({"content": bytes(785), "headers": {"content-type": "application/octet-stream"}}, 422, "image"),
    ],
)
def test_what_brings_no_picture_is_refused(
    browser: httpx.Client, request_of: dict[str, object], status: int, field: str
) -> None:
    answer = browser.post("/v1/score", **request_of)  # type: ignore[arg-type]
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["field"]) == (status, field)


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_body_beyond_the_limit_is_refused_with_the_limit(browser: httpx.Client, told: bool) -> None:
    size = (16 << 20) + 1
    pieces = (bytes(1 << 20) for _ in range(17))
    answer = browser.post("/v1/score", content=bytes(size) if told else pieces)
    assert answer.status_code == 413
    assert answer.json()["limit"] == f"{16 << 20} bytes"


def test_large_pictures_at_once_are_all_scored_and_hold_nobody_up(browser: httpx.Client, image: np.ndarray) -> None:
    large = file_of(image.repeat(220, 0).repeat(220, 1), "PNG")  # 38 megapixels, more than the server takes
    with ThreadPoolExecutor() as threads:
        answers = [threads.submit(browser.post, "/v1/score", content=large) for _ in range(3)]
        assert browser.get("/healthz").status_code == 200
        assert not any(answer.done() for answer in answers)
        assert [answer.result().json()["digit"] for answer in answers] == [5] * 3
