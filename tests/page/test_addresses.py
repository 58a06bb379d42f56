"""Digits by their addresses: what is there, that it is what the server makes, and that it never changes."""

import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

from digitforge import Client

FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture
def digest(browser: httpx.Client) -> str:
    (model,) = browser.get("/v1/models").json()["models"]
    return str(model["digest"])


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_digit_of_the_default_model_leads_to_its_address_for_a_minute(browser: httpx.Client, digest: str) -> None:
    answer = browser.get("/v1/digits/7/5.png?digit=3&scale=4")
    assert (answer.status_code, answer.headers["cache-control"]) == (307, "public, max-age=60")
    assert answer.headers["location"] == f"/v1/models/{digest}/digits/7/5.png?digit=3&scale=4"


def test_address_gives_the_bytes_that_generate_gives(browser: httpx.Client, digest: str, client: Client) -> None:
    found = browser.get(f"/v1/models/{digest}/digits/7/5.png")
    assert found.headers["content-type"] == "image/png"
    np.testing.assert_array_equal(pixels(found.content), client.generate(1, seed=7, offset=5).images[0])
    last = 2**64 - 1
    found = browser.get(f"/v1/models/{digest}/digits/{last}/{last}.png?digit=4&scale=3")
    wanted = client.generate(1, seed=last, offset=last, digit=4).images[0].repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(pixels(found.content), wanted)


def test_sheet_is_the_digits_row_by_row_without_gaps(browser: httpx.Client, digest: str, client: Client) -> None:
    found = pixels(browser.get(f"/v1/models/{digest}/digits/7/100-106.png?columns=3&scale=2").content)
    images = client.generate(7, seed=7, offset=100).images
    assert found.shape == (3 * 56, 3 * 56)
    np.testing.assert_array_equal(found[56:112:2, 112::2], images[5])
    assert not found[112:, 56:].any()


def test_labels_name_the_address_of_each_digit(browser: httpx.Client, digest: str) -> None:
    found = browser.get(f"/v1/models/{digest}/digits/7/12-13.json?digit=8").json()
    assert (found["digest"], found["seed"]) == (digest, 7)
    assert [(image["index"], image["digit"], image["class_name"]) for image in found["images"]] == [
        (12, 8, "8"), (13, 8, "8"),
    ]  # fmt: skip
    assert browser.get(found["images"][1]["address"]).content == browser.get(
        f"/v1/models/{digest}/digits/7/13.png?digit=8"
    ).content  # fmt: skip


def test_arrays_are_those_of_the_client(browser: httpx.Client, digest: str, client: Client) -> None:
    first, second = (browser.get(f"/v1/models/{digest}/digits/7/3-22.npz").content for _ in range(2))
    assert first == second
    with np.load(io.BytesIO(first)) as arrays:
        digits = client.generate(20, seed=7, offset=3)
        np.testing.assert_array_equal(arrays["images"], digits.images)
        np.testing.assert_array_equal(arrays["digits"], digits.classes)
        assert (int(arrays["seed"]), int(arrays["offset"]), str(arrays["digest"])) == (7, 3, digest)


@pytest.mark.parametrize("what", ["digits/7/5.png", "digits/7/0-9.json", "walk.png?from=7/1&to=7/2"])
def test_who_has_an_answer_is_not_sent_it_again(browser: httpx.Client, digest: str, what: str) -> None:
    first = browser.get(f"/v1/models/{digest}/{what}")
    assert (first.status_code, first.headers["cache-control"]) == (200, FOREVER)
    etag = first.headers["etag"]
    for given in (etag, f'"other", {etag}', etag.removeprefix("W/")):
        again = browser.get(f"/v1/models/{digest}/{what}", headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["cache-control"], again.headers["etag"]) == (FOREVER, etag)
    assert browser.get(f"/v1/models/{digest}/{what}", headers={"if-none-match": 'W/"other"'}).status_code == 200


def test_head_has_the_headers_alone(browser: httpx.Client, digest: str) -> None:
    path = f"/v1/models/{digest}/digits/7/5.png"
    head, whole = browser.head(path), browser.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.headers["etag"] == whole.headers["etag"]


def test_model_that_is_not_served_has_no_digits(browser: httpx.Client) -> None:
    answer = browser.get(f"/v1/models/{'0' * 64}/digits/7/5.png")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert answer.json()["field"] == "digest"


@pytest.mark.parametrize(
    ("path", "field", "limit"),
    [
        ("7/007.png", "index", None),
        ("7/-1.png", "index", None),
        ("18446744073709551616/0.png", "seed", "at most 18446744073709551615"),
        ("7/5.gif", "ending", "'png', 'json' or 'npz'"),
        ("7/5.png?scale=33", "scale", "at most 32"),
        ("7/5.png?digit=10", "digit", "at most 9"),
        ("7/5.png?columns=2", "columns", None),
        ("7/5.png?nonsense=1", "nonsense", None),
        ("7/9-5.png", "last", "from 9 to 1008: 1000 digits at this scale"),
        ("7/0-1000.json", "last", "from 0 to 999: 1000 digits at this scale"),
        ("7/0-99.png?scale=32", "last", "from 0 to 3: 4 digits at this scale"),
    ],
)
def test_refusal_names_the_field_and_the_limit(
    browser: httpx.Client, digest: str, path: str, field: str, limit: str | None
) -> None:
    for place in (f"/v1/digits/{path}", f"/v1/models/{digest}/digits/{path}"):
        answer = browser.get(place)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (422, 422)
        assert (problem["field"], problem["limit"]) == (field, limit)
