"""The model card, and the weights beside it, are what somebody else needs to use the pair."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from training.checkpoint import Checkpoint
from training.config import PRESETS, TrainingConfig
from training.model_card import describe, model_card, save_safetensors, write_model_card

RunOf = Callable[..., Checkpoint]


def front_matter(card: str) -> str:
    _, matter, _ = card.split("---\n", 2)
    return matter


@pytest.mark.parametrize("preset", ["default", "article"])
def test_the_cards_snippet_loads_the_weights(
    preset: str, run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(PRESETS[preset])
    save_safetensors(run, tmp_path)
    card = write_model_card(run, tmp_path).read_text()
    snippet = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert snippet is not None
    monkeypatch.chdir(tmp_path)
    names: dict[str, torch.Tensor] = {}
    exec(snippet[1], names)
    assert names["images"].shape == (10, 28, 28)
    assert names["images"].dtype == torch.uint8
    assert names["real_probability"].shape == (10, 1)


def test_the_files_hold_the_weights_and_say_what_they_are(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(PRESETS["default"], "my-run")
    save_safetensors(run, tmp_path)
    for role, weights in (("generator", run.generator), ("discriminator", run.discriminator)):
        assert weights is not None
        loaded = load_file(tmp_path / f"{role}.safetensors")
        assert loaded.keys() == weights.keys()
        assert all(torch.equal(loaded[name], weights[name]) for name in weights)
        with safe_open(tmp_path / f"{role}.safetensors", "pt") as file:
            about = file.metadata()
        assert (about["role"], about["run_id"], about["source_commit"]) == (role, "my-run", "none")
        assert TrainingConfig.model_validate_json(about["config"]) == run.config
        assert about["config_hash"] == run.config.digest()
        assert json.loads(about["quality"]) == run.quality
    assert {path.name for path in tmp_path.iterdir()} == {"generator.safetensors", "discriminator.safetensors"}


def test_weights_that_lie_crosswise_in_memory_are_saved_as_they_are(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(PRESETS["default"])
    assert run.generator is not None
    run.generator["crosswise"] = torch.arange(6).reshape(2, 3).T
    save_safetensors(run, tmp_path)
    assert load_file(tmp_path / "generator.safetensors")["crosswise"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_every_figure_is_in_the_table_and_in_the_front_matter(run_of: RunOf) -> None:
    run = run_of(PRESETS["default"])
    run.quality = {"test_images": 10_000, "frechet_ratio": 8.4, "kernel_distance": 0.00001, "auroc": 0.97, "new": 3.5}
    card = model_card(describe(run))
    assert "| Fréchet distance | 8.4 × floor |" in card
    assert "| new | 3.5 |" in card
    assert "10,000 of them" in card
    matter = front_matter(card)
    assert 'type: "frechet_ratio"' in matter
    assert "value: 0.00001\n" in matter  # YAML 1.1 would take 1e-05 for a text
    assert "split: test" in matter


def test_the_card_says_what_the_detector_knows(run_of: RunOf) -> None:
    own_network, discriminator = (model_card(describe(run_of(PRESETS[preset]))) for preset in ("default", "article"))
    assert "The detector, a network of its own trained when the generator was finished" in own_network
    assert "It was also trained on the kinds that digitforge makes for it" in own_network
    assert "| real images seen by the detector | 200,000 |" in own_network
    assert "It knows this generator's fakes alone" not in own_network
    assert "The detector, the discriminator that the generator was trained against" in discriminator
    assert "It knows this generator's fakes alone, and its probabilities\n  are not calibrated" in discriminator
    assert "digitforge makes for it" not in discriminator
    assert "seen by the detector" not in discriminator


def test_the_time_is_said_to_be_that_of_the_gans_training(run_of: RunOf) -> None:
    run = run_of(PRESETS["default"])
    run.elapsed_s = 127.4
    assert "| time of the GAN's training | 2 min 7 s |" in model_card(describe(run))


def test_a_data_set_of_the_hub_is_named_as_there(run_of: RunOf) -> None:
    about = describe(run_of(PRESETS["default"])) | {"dataset": "mnist"}
    assert '- "ylecun/mnist"' in front_matter(model_card(about))
    assert "datasets:" not in front_matter(model_card(about | {"dataset": "kmnist"}))


def test_a_name_cannot_break_out_of_the_card(run_of: RunOf) -> None:
    config = PRESETS["default"].with_options({"preset": '<script>alert(1)</script>"\n---\n'})
    card = model_card(describe(run_of(config, 'run"\nlicense: mine')))
    assert "<script" not in card
    assert "\nlicense: mine" not in front_matter(card)


def test_the_loading_of_other_files_is_told_as_given(run_of: RunOf) -> None:
    card = model_card(describe(run_of(PRESETS["default"])), loading="Load `model.onnx`: 1 < 2.")
    assert "Load `model.onnx`: 1 < 2." in card
    assert "safetensors import" not in card


def test_an_unfinished_run_has_no_card() -> None:
    run = Checkpoint(PRESETS["default"], "unfinished", source_commit="none")
    with pytest.raises(ValueError, match="unfinished is not finished"):
        describe(run)
