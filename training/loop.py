"""The training loop, to be read from top to bottom."""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import torch

from evaluation.reference import Reference
from evaluation.threads import torch_threads
from training.balance import WORDS, Balance, diversity, diversity_of_real
from training.batches import Batches
from training.checkpoint import Checkpoint, CheckpointError, save_checkpoint
from training.clock import Clock
from training.data import DataSet
from training.estimate import Estimate
from training.gan import DivergedError, Gan, check_finite
from training.governor import NETWORKS, Governor
from training.interrupts import StopRequest
from training.measure import FixedLatents, measure_snapshot
from training.pixels import normalise
from training.progress import progress as show_progress
from training.report import write_report
from training.run_folder import RunFolder
from training.schedule import learning_rate_factor
from training.workers import Workers

SHEET_IMAGES = 100
SHOWN = ("d_loss", "g_loss", "d_real", "d_fake")
MOST_RECOVERIES = 10
SNAPSHOTS = 3  # that the detector is to see beside the best: from a quarter of the way, half of it, three quarters


def train(
    run: Checkpoint,
    data: DataSet,
    path: Path,
    device: torch.device,
    stop: StopRequest,
    say: Callable[[str], None],
    workers: Workers | None = None,
    expected: Estimate | None = None,
    watch: Callable[[Gan, int], None] = lambda _gan, _images_seen: None,
) -> Gan | None:
    """Train until the run's length is reached, or until the next whole step after `stop`.

    Args:
        run: A new run (its `gan` is None) or one to go on with. It is kept up to date and saved.
        data: The data set.
        path: The run's folder.
        device: Where to compute.
        stop: Becomes true when the run should save itself and return.
        say: Called with a line at every milestone and event, and for the losses where the config wants that.
        workers: The processes that train together, or None for this one alone. Only the first one writes and says.
        expected: What it and the stages after it were thought to take, for the bar.
        watch: Called with the pair and the images seen, before the first step and after every one. It leaves the pair
            as it is, and draws no random numbers of torch's global generator.

    Returns:
        The trained pair, or None if it was stopped before.

    Raises:
        DivergedError: A loss or a weight is NaN or infinite, again and again; the last good checkpoint stays.
        CheckpointError: The run began on another kind of device.
    """
    # Moments of pixels that are always black underflow, and a CPU takes ten times as long for denormal numbers.
    torch.set_flush_denormal(True)

    # The pair, what watches it, its random numbers, and the data in the device's memory.
    config = run.config
    workers = workers or Workers()
    gan = Gan(config, device, workers)
    governor = Governor(gan)
    balance = Balance()
    latents_rng = torch.Generator(device).manual_seed(config.seed)
    images, digits = data.fit.images.to(device), data.fit.labels.to(device)
    batches = Batches(len(images), config.step_size, config.seed, smallest=2 * workers.count)

    def keep_state() -> None:
        check_finite(gan.generator, gan.discriminator, gan.ema)
        run.gan, run.latents_rng = copy.deepcopy(gan.state_dict()), latents_rng.get_state()
        run.governor, run.balance = governor.state_dict(), balance.state_dict()

    def restore_state() -> None:
        if run.gan is None or run.latents_rng is None or run.governor is None or run.balance is None:
            return  # a new run
        gan.load_state_dict(copy.deepcopy(run.gan))
        governor.load_state_dict(run.governor)
        balance.load_state_dict(run.balance)
        try:
            latents_rng.set_state(run.latents_rng)
        except RuntimeError as error:
            raise CheckpointError(f"run {run.run_id} began on another kind of device than {device.type}") from error

    restore_state()

    def draw_latents(count: int) -> torch.Tensor:
        # All workers draw the numbers of all, so that a run does not depend on how many they are.
        return workers.share(torch.randn(count, config.latent_size, device=device, generator=latents_rng))

    # What is shown and measured: the same latents every time.
    sheet = FixedLatents(config, SHEET_IMAGES, device)
    real_diversity = diversity_of_real(normalise(images, config.pixel_mean, config.pixel_std), digits, config.classes)
    measuring = config.measure_milestones and workers.first
    threads = max(torch.get_num_threads(), workers.count)  # while the others wait
    with torch_threads(threads):
        held_out = Reference.of(data.held_out.images, data.fit.images, data.shows_digits) if measuring else None
    milestone_images = config.milestone_images or len(images)

    # The clock, and what shows it.
    clock = Clock(config, len(images), run.elapsed_s)
    done = clock.bar_position(run.images_seen)
    with (
        RunFolder(path, config, run.images_seen, writing=workers.first) as folder,
        show_progress(
            what="training",
            shown=workers.first,
            initial=done,
            expected_s=expected.training if expected else 0.0,
            later_s=expected.after_training if expected else 0.0,
            **clock.bar,
        ) as bar,
    ):

        def tell(event: str, text: str) -> None:
            folder.log_event(run.images_seen, event, text)
            say(f"after {run.images_seen:,} images: {text}")

        def save() -> None:
            run.elapsed_s = clock.elapsed_s
            if workers.first:
                save_checkpoint(run, path)

        if run.images_seen == 0:
            folder.save_sheet("real", normalise(images[:SHEET_IMAGES], config.pixel_mean, config.pixel_std))
            keep_state()
            if config.step_size != config.batch_size:
                wrong = "large" if config.step_size < config.batch_size else "small"
                tell(
                    "pace",
                    f"batches of {config.batch_size:,} are too {wrong} for the learning rates: a step sees "
                    f"{config.step_size} images",
                )
        good = run.images_seen  # where the state that was kept last stands
        watch(gan, run.images_seen)

        progress, stopping = workers.agree(clock.progress(run.images_seen), bool(stop))
        while progress < 1 and not stopping:
            try:
                # One step of both networks, with an eye on their pace.
                batch = batches.at(run.images_seen)
                share = workers.share(batch).to(device)
                latents = draw_latents(len(batch))
                fresh_latents = draw_latents(len(batch)) if config.fresh_latents else None
                schedules = {
                    "generator": learning_rate_factor(config.generator_lr_end, progress),
                    "discriminator": learning_rate_factor(config.discriminator_lr_end, progress),
                }
                gan.set_learning_rates(*(schedules[name] * governor.rates[name] for name in NETWORKS))
                governor.before_step(gan)
                statistics = gan.step(images[share], digits[share], latents, fresh_latents, len(batch))
                governor.after_step(gan, schedules)
                run.images_seen += len(batch)
                gan.update_ema(len(batch), run.images_seen)
                watch(gan, run.images_seen)
                progress, stopping = workers.agree(clock.progress(run.images_seen), bool(stop))
                bar.update(clock.bar_position(run.images_seen) - bar.n)

                # The losses and the balance, now and then: to read them is to wait for the device.
                if gan.steps % config.log_steps == 0:
                    statistics["g_gradient_norm"] = gan.generator_gradient_norm()
                    values = workers.mean(statistics)
                    values["diversity"] = diversity(sheet.images(gan.generator), config.classes) / real_diversity
                    if not all(map(math.isfinite, values.values())):
                        raise DivergedError(f"the losses are no finite numbers any more: {values}")
                    values |= {f"{name}_pace": pace for name, pace in governor.paces.items()}
                    values |= {f"{name[0]}_rate": rate for name, rate in governor.rates.items()}
                    folder.log(run.images_seen, {**values, "elapsed_s": clock.elapsed_s})
                    if text := governor.news():
                        tell("pace", text)
                    if state := balance.look(values):
                        tell(state, WORDS[state])
                    losses = "  ".join(f"{name} {values[name]:.3f}" for name in SHOWN)
                    bar.set_postfix_str(losses, refresh=False)  # where there is no terminal, each would be a line
                    if config.print_losses:
                        say(f"epoch {(run.images_seen - 1) // len(images) + 1}  step {gan.steps}  {losses}")

                # What is measured, shown or saved is sound: all workers look, and go back together where it is not.
                milestone, beyond = divmod(run.images_seen, milestone_images)
                at_milestone = beyond < len(batch)
                if at_milestone or progress >= 1 or stopping:
                    keep_state()
                    good = run.images_seen

                # A milestone: the sheet, the quality, the best snapshot, the checkpoint.
                if at_milestone:
                    folder.save_sheet(f"{milestone:04d}", sheet.images(gan.ema), run.images_seen)
                if held_out is not None and (
                    progress >= 1 or (at_milestone and milestone % config.measure_milestones == 0)
                ):
                    with torch_threads(threads):
                        quality = measure_snapshot(gan.ema, config, held_out)
                    folder.log(run.images_seen, quality)
                    figures = "  ".join(f"{name} {value:.3g}" for name, value in quality.items())
                    say(f"{run.images_seen:,} images in {clock.elapsed_s:.0f} s  {figures}")
                    if run.best is None or quality["frechet_distance"] < run.best["frechet_distance"]:
                        weights = copy.deepcopy(gan.ema.state_dict())
                        run.best = {"images_seen": run.images_seen, **quality, "generator": weights}
                if at_milestone:
                    if (len(run.snapshots) + 1) / (SNAPSHOTS + 1) <= progress < 1:
                        weights = copy.deepcopy(gan.ema.state_dict())
                        run.snapshots.append({"images_seen": run.images_seen, "generator": weights})
                    save()
                    if workers.first:
                        write_report(run, path, len(images))

            # Back to the last good state, with the network that ran ahead slowed down.
            except DivergedError as error:
                run.recoveries += 1
                if run.recoveries > MOST_RECOVERIES:
                    raise
                blamed = governor.after_failure()
                run.governor = governor.state_dict()
                restore_state()
                diverged_at, run.images_seen = run.images_seen, good
                progress, stopping = workers.agree(clock.progress(run.images_seen), bool(stop))
                folder.rewind(run.images_seen)
                tell(
                    "recovered",
                    f"the run diverged after {diverged_at:,} images ({error}); it goes on from {good:,} with the "
                    f"learning rate of the {blamed} halved",
                )
        save()
    return gan if progress >= 1 else None
