"""Which versions a repository holds, and which of them are served."""

from pathlib import Path

import pytest

from serving.repository.model_repository import (
    ModelMetadata,
    RepositoryError,
    choose_versions,
    complete_versions,
    find_repository,
    model_path,
)

ROOT = Path(__file__).parents[3]
METADATA = {
    "digitforge.schema": "1",
    "digitforge.run_id": "0007",
    "digitforge.dataset": "mnist",
    "digitforge.classes": "10",
    "digitforge.latent_size": "64",
    "digitforge.threshold": "0.25",
}


def put(repository: Path, model: str, version: str, file: str = "model.onnx") -> None:
    folder = repository / model / version
    folder.mkdir(parents=True)
    (folder / file).touch()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Complete are 2 and 10."""
    for model in ("generator", "discriminator"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "config.pbtxt").touch()
        for version in ("2", "10"):
            put(tmp_path, model, version)
    return tmp_path


def test_versions_are_numbers_and_not_words(repository: Path) -> None:
    assert complete_versions(repository) == [2, 10]


def test_half_written_version_is_not_there(repository: Path) -> None:
    put(repository, "discriminator", "11")
    (repository / "generator" / "11").mkdir()  # its model is not there yet
    put(repository, "generator", "12")
    put(repository, "generator", "13", "model.fp16.onnx")
    put(repository, "discriminator", "13", "model.fp16.onnx")
    assert complete_versions(repository) == [2, 10]


@pytest.mark.parametrize(
    "name", ["0", "01", "1.tmp", ".exporting-1", "v3", "-1", "1_0", "٣", " 4", "4294967296", "9" * 20]
)
def test_folder_with_another_name_than_a_version_number_is_none(name: str, repository: Path) -> None:
    put(repository, "generator", name)
    put(repository, "discriminator", name)
    assert complete_versions(repository) == [2, 10]


def test_highest_number_that_a_message_can_name_is_a_version(repository: Path) -> None:
    put(repository, "generator", "4294967295")
    put(repository, "discriminator", "4294967295")
    assert choose_versions(repository, []) == [4294967295]


def test_highest_version_is_served_unless_others_are_asked_for(repository: Path) -> None:
    assert choose_versions(repository, []) == [10]
    assert choose_versions(repository, [2]) == [2]
    assert choose_versions(repository, [10, 2, 10]) == [2, 10]


@pytest.mark.parametrize("version", [0, 1, 11, -1])
def test_version_that_is_not_there_is_refused_with_those_that_are(version: int, repository: Path) -> None:
    with pytest.raises(RepositoryError, match=rf"^version {version} is not complete in .*; complete are \[2, 10\]$"):
        choose_versions(repository, [2, version])


def test_empty_repository_is_refused_with_what_would_make_a_version(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError) as refusal:
        find_repository(tmp_path)
    for word in (str(tmp_path), "generator/N/model.onnx", "discriminator/N/model.onnx", "digitforge-export"):
        assert word in str(refusal.value)
    with pytest.raises(RepositoryError, match=r"model_repository = .*nowhere': not there"):
        find_repository(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(RepositoryError, match=r"model_repository = .*file': no folder"):
        find_repository(tmp_path / "file")


def test_given_repository_is_served_whatever_lies_in_the_usual_places(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    for model in ("generator", "discriminator"):
        put(repository / "models", model, "1")
    assert find_repository(repository) == repository
    with pytest.raises(RepositoryError):
        find_repository(repository / "artifacts" / "models")


def test_own_exports_come_before_the_models_of_the_folder_and_those_before_the_installed_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_repository(None) == ROOT / "models"  # an editable install's
    for model in ("generator", "discriminator"):
        put(tmp_path / "models", model, "1")
    assert find_repository(None) == Path("models")
    put(tmp_path / "artifacts" / "models", "discriminator", "1")  # half a version
    assert find_repository(None) == Path("models")
    put(tmp_path / "artifacts" / "models", "generator", "1")
    assert find_repository(None) == Path("artifacts/models")


def test_metadata_is_read_and_unknown_keys_are_passed_over() -> None:
    given = METADATA | {"digitforge.new": "?", "producer": "?", "digitforge.verified_on": "x86-64-v3"}
    assert ModelMetadata.read(given, Path("model.onnx")) == ModelMetadata(
        run_id="0007",
        dataset="mnist",
        classes=10,
        latent_size=64,
        threshold=0.25,
        one_digit_threshold=None,
        verified_on="x86-64-v3",
        class_names=tuple("0123456789"),
    )


@pytest.mark.parametrize(("value", "expected"), [("none", None), ("0", 0.0), ("0.125", 0.125)])
def test_threshold_of_one_digit_is_a_number_or_none(value: str, expected: float | None) -> None:
    given = METADATA | {"digitforge.one_digit_threshold": value}
    assert ModelMetadata.read(given, Path("model.onnx")).one_digit_threshold == expected


def test_classes_have_the_names_that_the_model_gives_them() -> None:
    names = {"digitforge.classes": "2", "digitforge.class_names": '["shirt", "coat"]'}
    assert ModelMetadata.read(METADATA | names, Path("model.onnx")).class_names == ("shirt", "coat")


@pytest.mark.parametrize("value", ["shirt, coat", '["shirt"]', "[1, 2]", '{"shirt": 0, "coat": 1}'])
def test_class_names_that_are_no_list_of_all_are_refused_with_what_they_are(value: str) -> None:
    names = {"digitforge.classes": "2", "digitforge.class_names": value}
    with pytest.raises(RepositoryError) as refused:
        ModelMetadata.read(METADATA | names, Path("a/model.onnx"))
    for word in ("a/model.onnx", "digitforge.class_names", repr(value), "2 classes"):
        assert word in str(refused.value)


@pytest.mark.parametrize("key", METADATA)
def test_missing_key_is_refused_with_file_and_key(key: str) -> None:
    without = {name: value for name, value in METADATA.items() if name != key}
    with pytest.raises(RepositoryError, match=rf"^a/model\.onnx: its metadata has no {key}$"):
        ModelMetadata.read(without, Path("a/model.onnx"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "one"),
        ("classes", "ten"),
        ("latent_size", "64.5"),
        ("latent_size", "nan"),
        ("threshold", "half"),
        ("one_digit_threshold", "any"),
    ],
)
def test_key_that_should_be_a_number_is_refused_with_what_it_is(key: str, value: str) -> None:
    with pytest.raises(RepositoryError, match=rf"^a/model\.onnx: .*digitforge\.{key} is '{value}', no .*number$"):
        ModelMetadata.read(METADATA | {f"digitforge.{key}": value}, Path("a/model.onnx"))


def test_another_schema_is_refused_with_both_numbers() -> None:
    with pytest.raises(RepositoryError, match=r"schema 2, this server reads 1"):
        ModelMetadata.read(METADATA | {"digitforge.schema": "2"}, Path("a/model.onnx"))


def test_variant_lies_beside_the_model_and_is_taken_only_when_it_is_asked_for(repository: Path) -> None:
    put(repository, "generator", "3")
    (repository / "generator/3/model.int8.onnx").touch()
    assert model_path(repository, "generator", 3) == repository / "generator/3/model.onnx"
    assert model_path(repository, "generator", 3, "int8") == repository / "generator/3/model.int8.onnx"


def test_variant_that_was_not_exported_is_refused_with_those_that_were(repository: Path) -> None:
    put(repository, "generator", "3")
    (repository / "generator/3/model.int8.onnx").touch()
    with pytest.raises(RepositoryError) as refusal:
        model_path(repository, "generator", 3, "fp16")
    for word in ("variant fp16", "generator/3/model.fp16.onnx", "['model.int8.onnx', 'model.onnx']"):
        assert word in str(refusal.value)
