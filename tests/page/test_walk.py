"""The way between two digits."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image

from digitforge import Client
from page.interpolation import slerp


def test_interpolation_turns_evenly_from_end_to_end() -> None:
    first, last = np.array([2, 0, 0], np.float32), np.array([0, 0, 4], np.float32)
    found = slerp(first, last, 3)
    np.testing.assert_array_equal(found[[0, 2]], [first, last])
    np.testing.assert_allclose(found[1], [3 / 2**0.5, 0, 3 / 2**0.5], rtol=1e-6)
    np.testing.assert_allclose(slerp(first, 2 * first, 3)[1], [3, 0, 0])


@pytest.fixture
def walk(browser: httpx.Client) -> str:
    (model,) = browser.get("/v1/models").json()["models"]
    return f"/v1/models/{model['digest']}/walk"


def test_strip_goes_from_one_digit_to_the_other(browser: httpx.Client, walk: str, address: str) -> None:
    answer = browser.get(f"{walk}.png?from=7/3&to=9/8&steps=6&scale=2")
    found = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert found.shape == (56, 6 * 56)
    with Client(address) as client:
        ends = client.generate(1, seed=7, offset=3).images[0], client.generate(1, seed=9, offset=8).images[0]
    for image, end in zip((found[::2, :56:2], found[::2, -56::2]), ends, strict=True):
        np.testing.assert_array_equal(image, end)
    assert len({frame.tobytes() for frame in np.split(found, 6, axis=1)}) == 6


def test_class_may_be_asked_for_at_either_end(browser: httpx.Client, walk: str, address: str) -> None:
    answer = browser.get(f"{walk}.png?from=7/3&to=7/3&digit_from=1&digit_to=2&steps=2")
    found = np.asarray(Image.open(io.BytesIO(answer.content)))
    with Client(address) as client:
        for place, digit in enumerate((1, 2)):
            wanted = client.generate(1, seed=7, offset=3, digit=digit).images[0]
            np.testing.assert_array_equal(found[:, 28 * place : 28 * (place + 1)], wanted)


def test_film_goes_there_and_back(browser: httpx.Client, walk: str) -> None:
    answer = browser.get(f"{walk}.gif?from=7/3&to=9/8&steps=5")
    assert answer.headers["content-type"] == "image/gif"
    film = Image.open(io.BytesIO(answer.content))
    assert (film.size, getattr(film, "n_frames", 1), film.info["loop"]) == ((28, 28), 8, 0)
    strip = np.asarray(Image.open(io.BytesIO(browser.get(f"{walk}.png?from=7/3&to=9/8&steps=5").content)))
    for frame, step in enumerate((0, 1, 2, 3, 4, 3, 2, 1)):
        film.seek(frame)
        np.testing.assert_array_equal(np.asarray(film.convert("L")), strip[:, 28 * step : 28 * (step + 1)])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("to=7/8", "from"),
        ("from=7&to=7/8", "from"),
        ("from=7/3&to=7/18446744073709551616", "to"),
        ("from=7/3&to=7/8&steps=65", "steps"),
        ("from=7/3&to=7/8&digit_to=11", "digit_to"),
    ],
)
def test_way_that_leads_nowhere_is_refused(browser: httpx.Client, walk: str, query: str, field: str) -> None:
    answer = browser.get(f"{walk}.png?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)
