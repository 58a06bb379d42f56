"""Score and ScoreStream: one image or many, as bytes or as files."""

import io
import queue
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnx
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2
from PIL import Image, ImageDraw

from digitforge.machine.onnx_runtime import onnxruntime
from digitforge.pictures.images import decode_file
from protos.digits.v1 import digits_pb2 as pb
from tests.conftest import THRESHOLD
from tests.picture_files import ring

SEEN = ("digit", "digit_probability", "one_digit_probability")
CLOSE = 1e-6  # a probability may differ in its last bits with the batch that it is in


@pytest.fixture(scope="session")
def raw_images() -> list[bytes]:
    """300 images in MNIST's form, no two alike."""
    chance = np.random.default_rng(0)
    return [(ring() * chance.uniform(0.9, 1, (28, 28))).round().astype(np.uint8).tobytes() for _ in range(300)]


def file_of(raw: bytes, image_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.frombytes("L", (28, 28), raw).save(buffer, image_format)
    return buffer.getvalue()


def photo() -> bytes:
    """A dark seven on light paper, 400x300 pixels."""
    image = Image.new("RGB", (400, 300), (230, 225, 210))
    ImageDraw.Draw(image).line([(150, 80), (230, 80), (170, 220)], fill=(30, 40, 90), width=14)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def change(path: Path, about: Mapping[str, str | None], outputs: int | None = None) -> None:
    """Write other metadata into a model's file, where None is no such key, and leave it its first outputs."""
    model = onnx.load(path)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    changed = kept | {f"digitforge.{name}": value for name, value in about.items()}
    onnx.helper.set_model_props(model, {name: value for name, value in changed.items() if value is not None})
    del model.graph.output[outputs or len(model.graph.output) :]
    onnx.save(model, path)


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "GIF"])
def test_file_scores_like_the_raw_pixels_in_it(stub: Any, raw_images: list[bytes], image_format: str) -> None:
    scores = []
    for raw in raw_images[:3]:
        by_bytes = stub.Score(pb.ScoreRequest(image=raw))
        assert by_bytes == stub.Score(pb.ScoreRequest(image=raw, format=pb.IMAGE_FORMAT_RAW))
        assert by_bytes == stub.Score(pb.ScoreRequest(image=file_of(raw, image_format)))
        assert by_bytes == stub.Score(pb.ScoreRequest(image=file_of(raw, image_format), format=pb.IMAGE_FORMAT_PNG))
        scores.append(by_bytes.real_probability)
    assert len(set(scores)) == 3


def test_answer_names_the_version_and_the_verdict_at_its_threshold(stub: Any, raw_images: list[bytes]) -> None:
    answers = [stub.Score(pb.ScoreRequest(image=raw_images[0], version=version)) for version in (1, 2, 0)]
    assert [answer.version for answer in answers] == [1, 2, 2]
    assert answers[0].real_probability != answers[1].real_probability
    for answer in answers:
        assert THRESHOLD < answer.real_probability < 0.5  # so that the versions' thresholds tell another verdict
        assert answer.real == (answer.version == 2)
        assert answer.verdict == (pb.VERDICT_REAL_DIGIT if answer.real else pb.VERDICT_GENERATED)
        assert not answer.HasField("error")


def test_answer_names_the_digit_that_it_is_taken_for(
    stub: Any, raw_images: list[bytes], model_repository: Path
) -> None:
    session = onnxruntime.InferenceSession(model_repository / "discriminator/2/model.onnx")
    pixels = np.frombuffer(b"".join(raw_images[:20]), np.uint8).reshape(-1, 28, 28)
    digits, one_digit = session.run(["digit_probabilities", "one_digit_probability"], {"images": pixels})
    for row, image in enumerate(raw_images[:20]):
        answer = stub.Score(pb.ScoreRequest(image=image))
        assert answer.digit == digits[row].argmax()
        assert answer.digit_probability == pytest.approx(digits[row].max(), abs=CLOSE)
        assert answer.one_digit_probability == pytest.approx(one_digit[row, 0], abs=CLOSE)


def test_what_was_scored_comes_only_where_it_is_asked_for(stub: Any, raw_images: list[bytes]) -> None:
    for image, expected in ((raw_images[0], raw_images[0]), (photo(), decode_file(photo()).pixels.tobytes())):
        assert stub.Score(pb.ScoreRequest(image=image)).scored_image == b""
        assert stub.Score(pb.ScoreRequest(image=image, return_image=True)).scored_image == expected
    requests = (pb.ScoreRequest(image=raw, return_image=index % 2 == 0) for index, raw in enumerate(raw_images[:4]))
    assert [answer.scored_image for answer in stub.ScoreStream(requests)] == [raw_images[0], b"", raw_images[2], b""]


def test_nothing_found_is_told_apart_from_a_generated_digit(stub: Any) -> None:
    blank = io.BytesIO()
    Image.new("L", (90, 60), 240).save(blank, "PNG")
    for image in (bytes(784), blank.getvalue()):
        answer = stub.Score(pb.ScoreRequest(image=image))
        assert (answer.verdict, answer.real, answer.real_probability) == (pb.VERDICT_NOTHING_FOUND, False, 0.0)
        assert not any(map(answer.HasField, SEEN))
        assert answer.version == 2


def test_what_is_not_one_digit_is_no_real_one_however_real_it_looks(
    model_repository: Path, tmp_path: Path, raw_images: list[bytes],
    start_server: Callable[..., Any], connect: Callable[[str], Any],
) -> None:  # fmt: skip
    repository = Path(shutil.copytree(model_repository, tmp_path / "models"))
    change(repository / "discriminator/2/model.onnx", {"threshold": "0", "one_digit_threshold": "0.99"})
    stub = connect(start_server(repository=repository).address)
    for image in (raw_images[0], photo()):
        answer = stub.Score(pb.ScoreRequest(image=image))
        assert (answer.verdict, answer.real) == (pb.VERDICT_NOT_ONE_DIGIT, False)
        assert answer.real_probability > 0
        assert answer.HasField("digit")


def test_older_detector_is_served_with_what_it_tells(
    model_repository: Path, tmp_path: Path, raw_images: list[bytes], stub: Any,
    start_server: Callable[..., Any], connect: Callable[[str], Any],
) -> None:  # fmt: skip
    """One of the signature and with the metadata of before there were heads."""
    repository = Path(shutil.copytree(model_repository, tmp_path / "models"))
    change(repository / "generator/2/model.onnx", {"one_digit_threshold": None})
    change(repository / "discriminator/2/model.onnx", {"one_digit_threshold": None}, outputs=2)
    older = connect(start_server(repository=repository).address)
    for image in (raw_images[0], photo()):
        answer, newer = (each.Score(pb.ScoreRequest(image=image, return_image=True)) for each in (older, stub))
        assert answer.real_probability == pytest.approx(newer.real_probability, abs=CLOSE)
        assert (answer.verdict, answer.real) == (newer.verdict, newer.real) == (pb.VERDICT_REAL_DIGIT, True)
        assert answer.scored_image == newer.scored_image
        assert not any(map(answer.HasField, SEEN))
        assert all(map(newer.HasField, SEEN))
    assert older.Score(pb.ScoreRequest(image=bytes(784))).verdict == pb.VERDICT_NOTHING_FOUND
    (model,) = older.ListModels(pb.ListModelsRequest()).models
    assert not model.HasField("one_digit_threshold")


def test_picture_of_another_size_is_normalised_and_the_answer_says_so(stub: Any, raw_images: list[bytes]) -> None:
    assert stub.Score(pb.ScoreRequest(image=photo())).normalised
    assert not stub.Score(pb.ScoreRequest(image=file_of(raw_images[0], "PNG"))).normalised
    assert not stub.Score(pb.ScoreRequest(image=raw_images[0])).normalised


def test_picture_scores_like_what_it_is_normalised_to(stub: Any) -> None:
    as_scored = decode_file(photo()).pixels.tobytes()
    by_picture, by_pixels = (stub.Score(pb.ScoreRequest(image=image)) for image in (photo(), as_scored))
    assert by_picture.real_probability == pytest.approx(by_pixels.real_probability, abs=CLOSE)


def test_stream_normalises_pictures_in_their_places(stub: Any, raw_images: list[bytes]) -> None:
    images = [raw_images[0], photo(), b"no image", file_of(raw_images[1], "PNG"), photo()] * 20
    answers = list(stub.ScoreStream(pb.ScoreRequest(image=image) for image in images))
    assert [answer.normalised for answer in answers] == [False, True, False, False, True] * 20
    assert [answer.HasField("error") for answer in answers] == [False, False, True, False, False] * 20
    assert answers[1].real_probability == pytest.approx(answers[4].real_probability, abs=CLOSE)
    assert answers[1].real_probability != answers[0].real_probability


def test_limit_on_pixels_is_a_setting(
    start_server: Callable[..., Any], connect: Callable[[str], Any],
    refusal: Callable[..., tuple[grpc.StatusCode, str, list[Message]]],
) -> None:  # fmt: skip
    stub = connect(start_server("--max-image-pixels", "119999").address)
    code, message, _ = refusal(lambda: stub.Score(pb.ScoreRequest(image=photo())))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith("image: 400x300 = 120000 pixels, the limit is 119999")


def test_stream_answers_each_image_in_order(stub: Any, raw_images: list[bytes]) -> None:
    expected = [stub.Score(pb.ScoreRequest(image=raw)).real_probability for raw in raw_images]
    answers = list(stub.ScoreStream(pb.ScoreRequest(image=raw) for raw in raw_images))
    assert [answer.real_probability for answer in answers] == pytest.approx(expected, abs=CLOSE)


def test_stream_may_mix_formats_and_versions(stub: Any, raw_images: list[bytes]) -> None:
    requests = [
        pb.ScoreRequest(image=raw_images[0], version=1),
        pb.ScoreRequest(image=file_of(raw_images[1], "PNG"), version=2),
        pb.ScoreRequest(image=file_of(raw_images[2], "BMP"), version=1),
    ]
    answers = list(stub.ScoreStream(iter(requests)))
    assert [answer.version for answer in answers] == [1, 2, 1]
    expected = [stub.Score(request).real_probability for request in requests]
    assert [answer.real_probability for answer in answers] == pytest.approx(expected, abs=CLOSE)


def test_stream_answers_a_refused_image_in_its_place_and_goes_on(
    stub: Any, raw_images: list[bytes], details_of: Callable[[status_pb2.Status], list[Message]]
) -> None:
    requests = [pb.ScoreRequest(image=raw) for raw in raw_images[:10]]
    requests[3] = pb.ScoreRequest(image=b"no image")
    requests[5] = pb.ScoreRequest(image=raw_images[5], version=9)
    requests[9] = pb.ScoreRequest(image=raw_images[9], format=77)  # type: ignore[arg-type]
    answers = list(stub.ScoreStream(iter(requests)))
    assert [index for index, answer in enumerate(answers) if answer.HasField("error")] == [3, 5, 9]
    for index in (0, 1, 2, 4, 6, 7, 8):
        expected = stub.Score(requests[index]).real_probability
        assert answers[index].real_probability == pytest.approx(expected, abs=CLOSE)
    assert [answers[index].error.code for index in (3, 5, 9)] == [
        code_pb2.INVALID_ARGUMENT, code_pb2.NOT_FOUND, code_pb2.INVALID_ARGUMENT,
    ]  # fmt: skip
    assert "image: a raw image has 28x28 = 784 bytes, this has 8" in answers[3].error.message
    (bad_request,) = details_of(answers[3].error)
    assert bad_request.field_violations[0].field == "image"  # type: ignore[attr-defined]


def test_stream_answers_before_it_is_asked_again(stub: Any, raw_images: list[bytes]) -> None:
    requests: queue.Queue[pb.ScoreRequest | None] = queue.Queue()
    answers = stub.ScoreStream(iter(requests.get, None), timeout=60)
    for raw in raw_images[:5]:
        requests.put(pb.ScoreRequest(image=raw))
        assert not next(answers).HasField("error")
    requests.put(None)
    assert list(answers) == []


def test_stream_without_images_has_no_answers(stub: Any) -> None:
    assert list(stub.ScoreStream(iter(()))) == []


def test_stream_with_a_message_that_is_none_ends_in_an_error(channel: grpc.Channel, raw_images: list[bytes]) -> None:
    call: Any = channel.stream_stream("/digits.v1.Digits/ScoreStream")  # bytes in, bytes out

    def requests() -> Iterator[bytes]:
        yield pb.ScoreRequest(image=raw_images[0]).SerializeToString()
        yield b"\xff\xff\xff\xff"

    with pytest.raises(grpc.RpcError) as error:
        list(call(requests(), timeout=20))
    assert error.value.code() != grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]
