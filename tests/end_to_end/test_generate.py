"""Generate and GenerateStream: a seed names an endless stream of images."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from protos.digits.v1 import digits_pb2 as pb

END = 2**64  # of a seed's stream
CLIENTS = 50


def images(response: pb.GenerateResponse) -> list[bytes]:
    return list(response.images)


def test_answer_says_all_that_is_needed_to_get_it_again(stub: Any) -> None:
    response = stub.Generate(pb.GenerateRequest(seed=7, n=3, offset=5))
    assert [len(image) for image in response.images] == [784] * 3
    assert (response.height, response.width) == (28, 28)
    assert (response.seed, response.offset, response.version) == (7, 5, 2)
    model = next(model for model in stub.ListModels(pb.ListModelsRequest()).models if model.version == 2)
    assert response.generator_sha256 == model.generator_sha256
    again = stub.Generate(pb.GenerateRequest(seed=response.seed, n=3, offset=response.offset, version=response.version))
    assert again == response


def test_slice_of_a_seeds_stream_is_the_same_bytes(stub: Any) -> None:
    whole = images(stub.Generate(pb.GenerateRequest(seed=42, n=10)))
    assert len(set(whole)) == 10  # or the comparison would say nothing
    assert images(stub.Generate(pb.GenerateRequest(seed=42, n=3, offset=4))) == whole[4:7]
    for index in range(10):
        assert images(stub.Generate(pb.GenerateRequest(seed=42, offset=index))) == [whole[index]]


def test_images_are_the_same_bytes_in_any_batch(stub: Any) -> None:
    whole = images(stub.Generate(pb.GenerateRequest(seed=43, n=3000)))
    for first, n in ((0, 1), (1, 2), (5, 31), (100, 64), (1000, 511), (1500, 1025), (2999, 1)):
        assert images(stub.Generate(pb.GenerateRequest(seed=43, n=n, offset=first))) == whole[first : first + n]


def test_images_are_the_same_bytes_while_many_others_call(address: str, connect: Callable[[str], Any]) -> None:
    wholes = {seed: images(connect(address).Generate(pb.GenerateRequest(seed=seed, n=300))) for seed in (1, 2)}
    stubs = [connect(address) for _ in range(10)]

    def client(number: int) -> None:
        chance = Random(number)
        for _ in range(6):
            seed, offset = chance.choice((1, 2)), chance.randrange(290)
            n = min(chance.choice((1, 1, 3, 10, 100, 250)), 300 - offset)
            request = pb.GenerateRequest(seed=seed, n=n, offset=offset)
            if chance.random() < 0.3:
                found = [image for chunk in stubs[number % 10].GenerateStream(request) for image in chunk.images]
            else:
                found = images(stubs[number % 10].Generate(request))
            assert found == wholes[seed][offset : offset + n]

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))


def test_stream_gives_what_one_answer_gives_in_order_and_in_chunks(stub: Any) -> None:
    request = pb.GenerateRequest(seed=5, n=1300, offset=17)
    chunks = list(stub.GenerateStream(request))
    assert [(chunk.offset, len(chunk.images)) for chunk in chunks] == [(17, 512), (529, 512), (1041, 276)]
    whole = stub.Generate(request)
    assert [image for chunk in chunks for image in chunk.images] == images(whole)
    assert [digit for chunk in chunks for digit in chunk.digits] == list(whole.digits)
    assert {(chunk.seed, chunk.version, chunk.height, chunk.width) for chunk in chunks} == {(5, 2, 28, 28)}
    assert {chunk.generator_sha256 for chunk in chunks} == {whole.generator_sha256}


@pytest.mark.parametrize("offset", [0, 7, 10, 12_345_678_901, END - 25])
def test_image_i_has_class_i_mod_10(stub: Any, offset: int) -> None:
    response = stub.Generate(pb.GenerateRequest(seed=1, n=25, offset=offset))
    assert list(response.digits) == [index % 10 for index in range(offset, offset + 25)]


def test_asking_for_a_digit_changes_the_class_and_keeps_the_latents(stub: Any) -> None:
    balanced = images(stub.Generate(pb.GenerateRequest(seed=9, n=20)))
    for digit in range(10):
        response = stub.Generate(pb.GenerateRequest(seed=9, n=20, digit=digit))
        assert list(response.digits) == [digit] * 20
        same = [index for index in range(20) if response.images[index] == balanced[index]]
        assert same == [digit, digit + 10]  # where it is the class that the image has anyway


def test_model_without_classes_names_none(classless_stub: Any) -> None:
    response = classless_stub.Generate(pb.GenerateRequest(seed=1, n=12))
    assert len(set(response.images)) == 12
    assert list(response.digits) == []


def test_stream_reaches_its_very_end(stub: Any) -> None:
    whole = images(stub.Generate(pb.GenerateRequest(seed=2**64 - 1, n=5, offset=END - 5)))
    assert images(stub.Generate(pb.GenerateRequest(seed=2**64 - 1, n=1, offset=END - 1))) == whole[4:]
    assert len(set(whole)) == 5


def test_absent_seed_is_drawn_and_named_and_gives_the_images_again(stub: Any) -> None:
    first, second = (stub.Generate(pb.GenerateRequest(n=2)) for _ in range(2))
    assert first.seed != second.seed
    assert first.images != second.images
    assert images(stub.Generate(pb.GenerateRequest(n=2, seed=first.seed))) == images(first)
    chunks = list(stub.GenerateStream(pb.GenerateRequest(n=1000)))
    assert len({chunk.seed for chunk in chunks}) == 1
    assert chunks[1].images[0] == stub.Generate(pb.GenerateRequest(seed=chunks[0].seed, offset=512)).images[0]


def test_seed_0_is_a_seed_like_any_other(stub: Any) -> None:
    first, second = (stub.Generate(pb.GenerateRequest(seed=0)) for _ in range(2))
    assert first == second
    assert first.seed == 0


def test_absent_n_is_one_image(stub: Any) -> None:
    assert len(stub.Generate(pb.GenerateRequest()).images) == 1
    assert [len(chunk.images) for chunk in stub.GenerateStream(pb.GenerateRequest())] == [1]


@pytest.mark.parametrize("n", [3, 40])  # few are encoded on the spot, more beside it
def test_png_holds_the_raw_pixels(stub: Any, n: int) -> None:
    raw = stub.Generate(pb.GenerateRequest(seed=3, n=n, format=pb.IMAGE_FORMAT_RAW))
    png = stub.Generate(pb.GenerateRequest(seed=3, n=n, format=pb.IMAGE_FORMAT_PNG))
    for pixels, file in zip(raw.images, png.images, strict=True):
        image = Image.open(io.BytesIO(file))
        assert (image.format, image.mode, image.size) == ("PNG", "L", (28, 28))
        assert np.asarray(image).tobytes() == pixels
    assert images(stub.Generate(pb.GenerateRequest(seed=3, n=n))) == images(raw)  # raw is what is not asked for


def test_largest_answer_fits_a_client_with_grpcs_defaults(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            "/digits.v1.Digits/Generate",
            request_serializer=pb.GenerateRequest.SerializeToString,
            response_deserializer=pb.GenerateResponse.FromString,
        )
        response = call(pb.GenerateRequest(seed=2**64 - 1, n=4096, offset=END - 4096))
    assert len(response.images) == 4096


def test_versions_are_chosen_by_number_and_the_newest_is_the_default(stub: Any) -> None:
    newest, first, second = (stub.Generate(pb.GenerateRequest(seed=1, version=version)) for version in (0, 1, 2))
    assert (newest.version, first.version, second.version) == (2, 1, 2)
    assert images(newest) == images(second) != images(first)
    assert {chunk.version for chunk in stub.GenerateStream(pb.GenerateRequest(n=600, version=1))} == {1}
