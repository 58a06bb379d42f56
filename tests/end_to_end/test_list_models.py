"""ListModels against a real server."""

import hashlib
from pathlib import Path
from typing import Any

from protos.digits.v1 import digits_pb2 as pb
from tests.conftest import ONE_DIGIT_THRESHOLD, THRESHOLD


def test_each_served_version_is_told_with_what_it_is(stub: Any, model_repository: Path) -> None:
    models = stub.ListModels(pb.ListModelsRequest()).models
    files = [model_repository / "generator" / version / "model.onnx" for version in ("1", "2")]
    assert [model.version for model in models] == [1, 2]
    assert [model.generator_sha256 for model in models] == [hashlib.sha256(x.read_bytes()).hexdigest() for x in files]
    assert [model.run_id for model in models] == ["untrained-1", "untrained-2"]
    for model in models:
        assert (model.variant, model.dataset, model.provider) == ("fp32", "mnist", "CPUExecutionProvider")
        assert (list(model.class_names), model.latent_size) == (list("0123456789"), 50)
    assert [model.threshold for model in models] == [0.5, THRESHOLD]
    assert [model.HasField("one_digit_threshold") for model in models] == [False, True]
    assert models[1].one_digit_threshold == ONE_DIGIT_THRESHOLD


def test_default_is_the_version_that_a_request_without_one_gets(stub: Any) -> None:
    models = stub.ListModels(pb.ListModelsRequest()).models
    (default,) = [model.version for model in models if model.is_default]
    assert default == stub.Generate(pb.GenerateRequest()).version


def test_model_without_classes_has_no_names_of_them(classless_stub: Any) -> None:
    (model,) = classless_stub.ListModels(pb.ListModelsRequest()).models
    assert (list(model.class_names), model.is_default) == ([], True)
