"""An export that is killed leaves a repository that loads: the short form of `make prove-export`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.prove_export import BrokenRepositoryError, check, prove
from training.checkpoint import Checkpoint, save_checkpoint
from training.config import PRESETS

SMALL = {"dataset": "mnist", "generator_hidden": "8,8", "generator_channels": "0", "detector_channels": "1"}


@pytest.mark.timeout(900)  # five exports, and a machine may have other things to do
def test_a_killed_export_leaves_a_repository_that_loads(run_of: Callable[..., Checkpoint], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    save_checkpoint(run_of(PRESETS["default"].with_options(SMALL)), run)
    kills = prove(run, tmp_path / "models", kills=3, seed=0, say=print)
    assert [kill.kind for kill in kills] == ["anywhere", "written", "appearing"]


def test_the_proof_sees_what_it_looks_for(model_repository: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    shutil.copytree(model_repository, repository)
    with pytest.raises(BrokenRepositoryError, match=r"expected 1 new versions, found \[1, 2\]"):
        check(repository, {}, 1)
    known = check(repository, {}, 2)
    (repository / "generator/1/MODEL_CARD.md").write_text("other")
    with pytest.raises(BrokenRepositoryError, match=r"changed or gone: \[\(1, 'generator', 'MODEL_CARD.md'\)\]"):
        check(repository, known, 0)
    shutil.rmtree(repository / "generator/1")
    with pytest.raises(BrokenRepositoryError, match="changed or gone"):
        check(repository, known, 0)
