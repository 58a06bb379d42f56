"""The training loop, to be read from top to bottom."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

from evaluation.quality import Reference
from training.batches import Batches
from training.checkpoint import Checkpoint, CheckpointError, save_checkpoint
from training.clock import Clock
from training.data import DataSet
from training.gan import DivergedError, Gan, check_finite
from training.interrupts import StopRequest
from training.measure import FixedLatents, measure_generator
from training.pixels import normalise
from training.run_folder import RunFolder
from training.schedule import learning_rate_factor

SHEET_IMAGES = 100


def train(
    run: Checkpoint, data: DataSet, path: Path, device: torch.device, stop: StopRequest, say: Callable[[str], None]
) -> Gan | None:
    """Train until the run's length is reached, or until the next whole step after `stop`.

    Args:
        run: A new run (its `gan` is None) or one to go on with. It is kept up to date and saved.
        data: The data set.
        path: The run's folder.
        device: Where to compute.
        stop: Becomes true when the run should save itself and return.
        say: Called with a line at every milestone, and for the losses where the config wants that.

    Returns:
        The trained pair, or None if it was stopped before.

    Raises:
        DivergedError: A loss or a weight is NaN or infinite; the last good checkpoint stays.
        CheckpointError: The run began on another kind of device.
    """
    # Moments of pixels that are always black underflow, and a CPU takes ten times as long for denormal numbers.
    torch.set_flush_denormal(True)

    # The pair, its random numbers, and the data in the device's memory.
    config = run.config
    gan = Gan(config, device)
    latents_rng = torch.Generator(device).manual_seed(config.seed)
    if run.gan is not None and run.latents_rng is not None:
        gan.load_state_dict(run.gan)
        try:
            latents_rng.set_state(run.latents_rng)
        except RuntimeError as error:
            raise CheckpointError(f"run {run.run_id} began on another kind of device than {device.type}") from error
    images, digits = data.fit.images.to(device), data.fit.labels.to(device)
    batches = Batches(len(images), config.batch_size, config.seed)

    def draw_latents(count: int) -> torch.Tensor:
        return torch.randn(count, config.latent_size, device=device, generator=latents_rng)

    # What a milestone shows and measures: the same latents every time.
    sheet = FixedLatents(config, SHEET_IMAGES, device)
    held_out = Reference.of(data.held_out.images, data.fit.images) if config.measure_milestones else None
    milestone_images = config.milestone_images or len(images)

    # The clock, and what shows it.
    clock = Clock(config, len(images), run.elapsed_s)
    done = clock.bar_position(run.images_seen)
    with (
        RunFolder(path, config, run.images_seen) as folder,
        tqdm(desc="training", disable=None, initial=done, **clock.bar) as bar,
    ):

        def save() -> None:
            check_finite(gan.generator, gan.discriminator, gan.ema)
            run.elapsed_s, run.gan, run.latents_rng = clock.elapsed_s, gan.state_dict(), latents_rng.get_state()
            save_checkpoint(run, path)

        if run.images_seen == 0:
            folder.save_sheet("real", normalise(images[:SHEET_IMAGES], config.pixel_mean, config.pixel_std))

        while (progress := clock.progress(run.images_seen)) < 1 and not stop:
            # One step of both networks.
            batch = batches.at(run.images_seen).to(device)
            latents = draw_latents(len(batch))
            fresh_latents = draw_latents(len(batch)) if config.fresh_latents else None
            gan.set_learning_rates(learning_rate_factor(config.lr_end, progress))
            statistics = gan.step(images[batch], digits[batch], latents, fresh_latents)
            run.images_seen += len(batch)
            gan.update_ema(len(batch), run.images_seen)
            bar.update(clock.bar_position(run.images_seen) - bar.n)

            # The losses, now and then: to read them is to wait for the device.
            if gan.steps % config.log_steps == 0:
                values = {name: float(value) for name, value in statistics.items()}
                if not all(map(math.isfinite, values.values())):
                    raise DivergedError(f"after {run.images_seen:,} images the losses are {values}")
                folder.log(run.images_seen, values)
                losses = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
                bar.set_postfix_str(losses)
                if config.print_losses:
                    say(f"epoch {(run.images_seen - 1) // len(images) + 1}  step {gan.steps}  {losses}")

            # A milestone: the sheet, the quality, the checkpoint.
            milestone, beyond = divmod(run.images_seen, milestone_images)
            if beyond < len(batch):
                folder.save_sheet(f"{milestone:04d}", sheet.images(gan))
                if held_out is not None:
                    quality = measure_generator(gan, held_out)
                    folder.log(run.images_seen, quality)
                    figures = "  ".join(f"{name} {value:.3g}" for name, value in quality.items())
                    say(f"{run.images_seen:,} images in {clock.elapsed_s:.0f} s  {figures}")
                save()
        save()
    return gan if clock.progress(run.images_seen) >= 1 else None
