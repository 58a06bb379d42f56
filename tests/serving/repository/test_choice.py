"""What of a repository is to be served: the pair, and the models beside it."""

from pathlib import Path

import pytest

from serving.repository.choice import choose
from serving.repository.model_repository import RepositoryError, find_repository


def put(repository: Path, model: str, *versions: int, file: str = "model.onnx", config: str | None = None) -> None:
    for version in versions:
        folder = repository / model / str(version)
        folder.mkdir(parents=True)
        (folder / file).touch()
    if config is not None:
        (repository / model).mkdir(exist_ok=True)
        (repository / model / "config.pbtxt").write_text(config)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Versions 1 to 3 of the pair."""
    for model in ("generator", "discriminator"):
        put(tmp_path, model, 1, 2, 3)
    return tmp_path


def test_every_other_folder_with_a_version_or_a_config_is_a_model(pair: Path) -> None:
    put(pair, "net", 1, 4)
    put(pair, "named", 2, file="net.onnx", config='default_model_filename: "net.onnx"')
    put(pair, ".hidden", 1)
    (pair / "notes").mkdir()
    (pair / "README.md").touch()
    choice = choose(pair, [])
    assert choice.pair == [3]
    assert {each.name: {version: path.name for version, path in each.paths.items()} for each in choice.others} == {
        "net": {4: "model.onnx"},
        "named": {2: "net.onnx"},
    }


@pytest.mark.parametrize(
    ("generator", "discriminator", "versions"),
    [
        ("all { }", "latest { num_versions: 2 }", [2, 3]),
        ("specific { versions: [ 1, 3 ] }", "specific { versions: [ 1, 2 ] }", [1]),
        ("all { }", "all { }", [1, 2, 3]),
    ],
)
def test_of_a_pairs_two_policies_the_intersection_holds(
    pair: Path, generator: str, discriminator: str, versions: list[int]
) -> None:
    put(pair, "generator", config=f"version_policy {{ {generator} }}")
    put(pair, "discriminator", config=f"version_policy {{ {discriminator} }}")
    assert choose(pair, []).pair == versions


def test_policies_with_nothing_in_common_are_told(pair: Path) -> None:
    put(pair, "generator", config="version_policy { specific { versions: 1 } }")
    choice = choose(pair, [])
    assert "version_policy of generator and that of discriminator choose none in common" in choice.pair_problem
    with pytest.raises(RepositoryError, match="in common"):
        choice.check(strict=False)


def test_versions_that_are_asked_for_go_before_the_policies(pair: Path) -> None:
    for model in ("generator", "discriminator"):
        put(pair, model, config="version_policy { specific { versions: 1 } }")
    put(pair, "net", 2, 5, config="version_policy { specific { versions: 5 } }")
    put(pair, "other", 7)
    choice = choose(pair, [2, 3])
    assert choice.pair == [2, 3]
    net, other = choice.others
    assert list(net.paths) == [2]
    assert "there are [7], and [2, 3] are asked for" in other.problem


def test_version_of_the_pair_that_is_asked_for_and_not_there_is_refused_whatever_else_is(pair: Path) -> None:
    put(pair, "net", 7)
    with pytest.raises(RepositoryError, match=r"version 7 is not complete"):
        choose(pair, [7])


@pytest.mark.parametrize("broken", ["net", "generator"])
def test_garbage_of_one_model_keeps_the_others_no_way_down_unless_it_is_to(pair: Path, broken: str) -> None:
    put(pair, "net", 1)
    put(pair, "sound", 1)
    put(pair, broken, config="name: 3")
    choice = choose(find_repository(pair), [])
    assert choice.pair == ([3] if broken == "net" else [])
    problems = [choice.pair_problem, *(each.problem for each in choice.others)]
    assert [problem for problem in problems if problem] == [
        f"{pair / broken / 'config.pbtxt'}:1: 'name: 3': Expected string but found: '3'"
    ]
    choice.check(strict=False)
    with pytest.raises(RepositoryError, match=r"config\.pbtxt:1"):
        choice.check(strict=True)


def test_model_without_a_version_is_told_with_the_file_that_is_missing(tmp_path: Path) -> None:
    put(tmp_path, "net", 1, config='default_model_filename: "net.onnx"')
    choice = choose(find_repository(tmp_path), [])
    with pytest.raises(RepositoryError, match=r"net: no version is there: a version N is when N/net\.onnx is"):
        choice.check(strict=False)


def test_half_of_a_pair_is_not_served_where_the_other_half_is_in_the_writing(tmp_path: Path) -> None:
    put(tmp_path, "discriminator", 1)
    (tmp_path / "generator" / ".exporting-1").mkdir(parents=True)
    with pytest.raises(RepositoryError, match="no complete model version"):
        find_repository(tmp_path)
    put(tmp_path, "net", 1)
    choice = choose(find_repository(tmp_path), [])
    assert (choice.pair, [each.name for each in choice.others]) == ([], ["net"])
    assert "no complete model version" in choice.pair_problem


def test_model_that_is_called_generator_and_has_no_counterpart_is_one_like_any_other(tmp_path: Path) -> None:
    put(tmp_path, "generator", 1)
    choice = choose(find_repository(tmp_path), [])
    assert (choice.pair, choice.pair_problem, [each.name for each in choice.others]) == ([], "", ["generator"])
