"""Two runs are the same only bit by bit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.kill_moments import KINDS
from benchmarks.prove_resume import moments
from benchmarks.same_run import differences


def write_run(
    folder: Path, weight: float = 1.0, loss: float = 0.5, elapsed_s: float = 1.0, sheet: bytes = b"x"
) -> None:
    (folder / "sheets").mkdir(parents=True)
    (folder / "sheets" / "final.png").write_bytes(sheet)
    state = {"run_id": str(folder), "elapsed_s": elapsed_s, "gan": {"states": [torch.tensor([weight, 2.0])]}}
    torch.save(state, folder / "checkpoint.pt")
    torch.save({"weight": torch.tensor(weight)}, folder / "generator.pth")
    (folder / "metrics.jsonl").write_text(json.dumps({"images": 1, "d_loss": loss, "elapsed_s": elapsed_s}) + "\n")


def test_names_and_timings_may_differ(tmp_path: Path) -> None:
    write_run(tmp_path / "first")
    write_run(tmp_path / "second", elapsed_s=2.0)
    assert differences(tmp_path / "first", tmp_path / "second") == []


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"weight": 1.0 + 2**-23}, "checkpoint.pt.gan.states[0]"),
        ({"weight": float("nan")}, "generator.pth.weight"),
        ({"loss": 0.5 + 2**-53}, "metrics.jsonl[0].d_loss"),
        ({"sheet": b"y"}, "sheets/final.png"),
    ],
)
def test_one_changed_bit_is_found_by_name(changed: dict[str, Any], where: str, tmp_path: Path) -> None:
    write_run(tmp_path / "first")
    write_run(tmp_path / "second", **changed)
    assert any(line.startswith(f"{where}:") for line in differences(tmp_path / "first", tmp_path / "second"))


def test_a_missing_file_or_entry_is_found(tmp_path: Path) -> None:
    write_run(tmp_path / "first")
    write_run(tmp_path / "second")
    (tmp_path / "second" / "generator.pth").unlink()
    with (tmp_path / "second" / "metrics.jsonl").open("a") as file:
        file.write('{"images": 2}\n')
    found = differences(tmp_path / "first", tmp_path / "second")
    assert [line.partition(":")[0] for line in found] == ["generator.pth", "metrics.jsonl"]


def test_kills_are_spread_over_all_of_a_life_and_repeat_by_seed() -> None:
    planned = moments(50, seed=3)
    assert planned == moments(50, seed=3)
    assert {moment.kind for moment in planned} == set(KINDS)
    anywhere = sorted(moment.share for moment in planned if moment.kind == "anywhere")
    assert all(part / 30 <= share <= (part + 1) / 30 for part, share in enumerate(anywhere))
