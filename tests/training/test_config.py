import pytest
from pydantic import ValidationError

from training.config import PRESETS, TrainingConfig


def test_the_article_preset_is_the_tutorials_recipe() -> None:
    article = PRESETS["article"]
    assert (article.fresh_latents, article.ema_half_life, article.r1_gamma) == (True, 0, 0)
    assert (article.generator_lr_end, article.discriminator_lr_end) == (1, 1)
    assert (article.adam_beta1, article.adam_beta2) == (0.9, 0.999)  # torch's defaults
    assert (article.detector_images, article.log_steps, article.print_losses) == (0, 100, True)
    assert (article.generator_hidden, article.discriminator_hidden) == ((128, 256, 512, 1024), (512, 256))
    assert (article.generator_channels, article.discriminator_channels) == (0, 0)
    assert (article.generator_pace, article.discriminator_pace, article.lr_batch_size) == (0, 0, 0)
    assert (article.generator_lr, article.discriminator_lr, article.batch_size, article.latent_size) == (
        3e-4,
        3e-4,
        128,
        50,
    )
    assert (article.pixel_mean, article.pixel_std, article.epochs, article.classes) == (0.1, 0.5, 1000, 0)


def test_a_new_length_takes_the_place_of_the_old_one() -> None:
    config = PRESETS["article"].with_options({"minutes": "2.5"})
    assert (config.images, config.epochs, config.minutes) == (None, None, 2.5)


def test_two_lengths_are_refused() -> None:
    with pytest.raises(ValidationError, match="exactly one of images, epochs, minutes"):
        PRESETS["default"].with_options({"minutes": 1, "epochs": 3})


def test_a_value_out_of_bounds_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        PRESETS["default"].with_options({"generator_lr": -1})


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="learning_rate"):
        PRESETS["default"].with_options({"learning_rate": 1})


def test_equal_configs_have_equal_digests() -> None:
    again = TrainingConfig.model_validate(PRESETS["default"].model_dump())
    assert again.digest() == PRESETS["default"].digest()
    assert again.with_options({"seed": 1}).digest() != again.digest()


def test_a_governed_run_makes_steps_of_a_size_that_its_learning_rates_are_for() -> None:
    assert PRESETS["default"].with_options({"batch_size": 1024}).step_size == 256
    assert PRESETS["default"].with_options({"batch_size": 100}).step_size == 100
    assert PRESETS["default"].with_options({"batch_size": 16}).step_size == 64
    assert PRESETS["default"].with_options({"batch_size": 1024, "generator_pace": 0}).step_size == 1024
    assert PRESETS["article"].with_options({"batch_size": 1024}).step_size == 1024
