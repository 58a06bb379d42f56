"""What is shown and measured at every milestone: the same latents, as a generator serves them."""

import pytest
import torch

from evaluation.reference import Reference
from tests.training.tiny_runs import CPU, SMALL
from training import measure
from training.config import PRESETS
from training.data import DataSet
from training.gan import Gan
from training.measure import SEED, FixedLatents, generated_digits, measure_snapshot

CONFIG = PRESETS["default"].with_options(SMALL | {"pixel_mean": 0.4, "pixel_std": 0.6})


@pytest.mark.parametrize("chunk", [7, 1000])
@pytest.mark.parametrize("options", [{}, {"class_conditional": False}], ids=["classes", "none"])
def test_the_digits_are_the_classes_in_turn_from_latents_of_a_seed(
    options: dict[str, object], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "CHUNK", chunk)
    config = CONFIG.with_options(options)
    generator = Gan(config, CPU).generator
    latents = torch.randn(25, config.latent_size, generator=torch.Generator().manual_seed(SEED))
    digits = torch.arange(25) % 10 if config.classes else None
    with torch.no_grad():
        expected = generator(latents, digits)
    torch.testing.assert_close(FixedLatents(config, 25, CPU).images(generator), expected)
    images, asked = generated_digits(generator, config, 25)
    levels = ((expected * 0.6 + 0.4) * 255).round().clamp(0, 255).view(25, 28, 28)
    assert (images - levels).abs().max() <= 1
    assert images.dtype == torch.uint8
    assert (asked is None) == (digits is None)
    assert asked is None or digits is None or torch.equal(asked, digits)


def test_a_generator_is_shown_in_inference_mode_and_left_as_it_was() -> None:
    generator = Gan(CONFIG.with_options({"generator_batch_norm": True, "ema_half_life": 0}), CPU).generator
    fixed = FixedLatents(CONFIG, 20, CPU)
    with torch.no_grad():
        expected = generator.eval()(fixed.latents, fixed.digits)
    for training in (True, False):
        generator.train(training)
        assert torch.equal(fixed.images(generator), expected)
        assert generator.training == training


def test_no_class_is_measured_where_the_images_show_no_digits(small_digits: DataSet) -> None:
    generator = Gan(CONFIG, CPU).generator
    images, others = small_digits.held_out.images, small_digits.fit.images
    for shows_digits in (True, False):
        quality = measure_snapshot(generator, CONFIG, Reference.of(images, others, shows_digits))
        assert ("recognised_as_asked" in quality) == shows_digits
