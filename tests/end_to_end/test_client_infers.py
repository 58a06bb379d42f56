"""`Client.infer`: any model of a server, by the Open Inference Protocol."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from digitforge import Client, InvalidArgumentError, NotFoundError
from digitforge.latents import latents
from tests.processes import end, start
from tests.serving import onnx_models

ClientTo = Callable[..., Client]
DTYPES = [
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[str]:
    """The address of a server of small models, one for each type among them."""
    folder = tmp_path_factory.mktemp("models")
    for dtype in DTYPES:
        onnx_models.echo(folder / f"echo-{dtype}/1/model.onnx", np.dtype(dtype))
    onnx_models.joined_texts(folder / "texts/1/model.onnx")
    for version in (1, 2):
        onnx_models.two_inputs(folder / f"two/{version}/model.onnx")
    (folder / "two/config.pbtxt").write_text("version_policy { all { } }")
    server = start(folder, tmp_path_factory.mktemp("server") / "stderr", "--transport", transport, "--workers", "1")
    yield server.address
    end(server)


def test_images_of_the_generator_are_those_of_generate(client_to: ClientTo, address: str) -> None:
    client = client_to(address)
    digit = np.arange(20).reshape(-1, 1) % 10
    found = client.infer("generator", {"z": latents(3, 0, 20, 50), "digit": digit}, version=2)
    assert list(found) == ["images"]
    assert np.array_equal(found["images"], client.generate(20, seed=3, version=2).images)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_every_type_come_back_as_they_went(client_to: ClientTo, place: str, dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, (3, 2)).astype(dtype)
    swapped = x.astype(x.dtype.newbyteorder())
    for sent in (x, swapped, x[::-1][::-1], np.asfortranarray(x)):
        y = client_to(place).infer(f"echo-{dtype}", {"x": sent})["y"]
        assert y.dtype == x.dtype
        assert np.array_equal(y, x)
        y[:] = 0  # it is the caller's own


def test_texts_go_as_str_or_bytes_and_come_as_bytes(client_to: ClientTo, place: str) -> None:
    client = client_to(place)
    for first in (["a", "ä"], [b"a", "ä".encode()], np.array(["a", "ä"], object)):
        found = client.infer("texts", {"first": first, "second": ["b", ""]})["text"]
        assert found.tolist() == [b"ab", "ä".encode()]


def test_outputs_are_those_asked_for_in_their_order(client_to: ClientTo, place: str) -> None:
    x = np.ones((1, 3), np.float32)
    client = client_to(place)
    assert list(client.infer("two", {"a": x, "b": x})) == ["total", "difference"]
    assert list(client.infer("two", {"a": x, "b": x}, outputs=["difference", "total"])) == ["difference", "total"]
    assert list(client.infer("two", {"a": x, "b": x}, outputs=["difference"], version=1)) == ["difference"]


def test_what_cannot_be_is_raised_in_the_clients_words(client_to: ClientTo, place: str) -> None:
    x = np.ones((1, 3), np.float32)
    client = client_to(place)
    with pytest.raises(NotFoundError, match="model 'three' is not served"):
        client.infer("three", {"a": x})
    with pytest.raises(NotFoundError, match="version 3 of model 'two' is not served"):
        client.infer("two", {"a": x, "b": x}, version=3)
    with pytest.raises(InvalidArgumentError, match="'b' is missing") as refused:
        client.infer("two", {"a": x})
    assert list(refused.value.violations) == ["inputs"]
    with pytest.raises(TypeError, match="input 'a' is complex128"):
        client.infer("two", {"a": [[1j, 0, 0]], "b": x})
    with pytest.raises(TypeError, match="input 'a' has the element None"):
        client.infer("two", {"a": np.array([None]), "b": x})
