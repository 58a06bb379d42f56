"""The kinds of fakes that a detector is trained on: each is what its docstring says."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from tests.training.tiny_runs import CPU, SMALL, new_run
from training.config import PRESETS
from training.data import DataSet
from training.fakes import gaussians, generators
from training.fakes.altered import MixedDigits, NoisedDigits
from training.fakes.gaussians import GaussianFakes
from training.fakes.generators import QUICK, Generated, quick_generators
from training.fakes.kind import Several, mixed
from training.fakes.no_digits import NoDigits
from training.fakes.vae import LATENT_SIZE, Vae, VaeFakes, fit_vae
from training.gan import Gan
from training.interrupts import StopRequest
from training.loop import train


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Grey:
    """A kind of one grey all over."""

    def __init__(self, level: int) -> None:
        self.level = level

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        return torch.full((count, 28, 28), self.level, dtype=torch.uint8)


def levels(images: Tensor) -> Counter[int]:
    return Counter(images[:, 0, 0].tolist())


def test_a_mixture_holds_its_kinds_by_their_shares() -> None:
    kinds = {"some": Grey(1), "more": Grey(2), "most": Grey(3)}
    shares = {"most": 7.0, "some": 1.0, "more": 2.0, "not there": 90.0}
    counts = levels(mixed(kinds, shares, 10_000, rng()))
    assert [counts[level] / 10_000 for level in (1, 2, 3)] == pytest.approx([0.1, 0.2, 0.7], abs=0.015)
    assert len(mixed(kinds, shares, 0, rng())) == 0


def test_several_give_as_many_each() -> None:
    counts = levels(Several([Grey(1), Grey(2), Grey(3)]).images(9_000, rng()))
    assert [counts[level] / 9_000 for level in (1, 2, 3)] == pytest.approx([1 / 3] * 3, abs=0.015)


@pytest.mark.parametrize("options", [{}, {"class_conditional": False, "pixel_mean": 0.1}], ids=["classes", "none"])
def test_generated_fakes_are_the_generators_of_random_latents_and_classes(options: dict[str, object]) -> None:
    config = PRESETS["default"].with_options(SMALL | options)
    gan = Gan(config, CPU)
    found = Generated(gan.generator.train(), config).images(40, rng(5))
    draws = rng(5)
    latents = torch.randn(40, config.latent_size, generator=draws)
    digits = torch.randint(10, (40,), generator=draws) if config.class_conditional else None
    with torch.no_grad():
        pixels = (gan.generator(latents, digits) * config.pixel_std + config.pixel_mean) * 255
    assert torch.equal(found, pixels.round().clamp(0, 255).to(torch.uint8).view(40, 28, 28))
    assert not gan.generator.training


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_generator_is_what_the_loop_would_train(
    name: str, small_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without milestones, and with its half-way state beside it."""
    small = {"generator_hidden": (16,), "discriminator_hidden": (16,), "discriminator_channels": 2}
    monkeypatch.setitem(generators.QUICK, name, QUICK[name] | small)
    looks: list[int] = []
    fit = small_digits.fit
    halfway, end = quick_generators(name, fit.images, fit.labels, 512, 7, CPU, lambda: looks.append(1))
    assert len(looks) == 4
    assert (end.config.seed, end.config.images) == (7, 512)
    for fakes, images in ((halfway, None), (end, 512)):
        run = new_run(end.config.with_options({"measure_milestones": 0, "dataset": "sklearn-digits"}))
        stop = AfterTwo() if images is None else StopRequest()
        train(run, small_digits, tmp_path / str(images), CPU, stop, lambda _: None)
        assert run.gan is not None
        weights = run.gan["ema"]
        assert all(torch.equal(weight, weights[key]) for key, weight in fakes.generator.state_dict().items())


class AfterTwo(StopRequest):
    """A wish to stop after two steps."""

    looks = 0

    def __bool__(self) -> bool:
        self.looks += 1
        return self.looks > 2


def test_mixed_digits_lie_between_two_of_a_class() -> None:
    """The classes are of the levels 0 and 100, and of 150 and 250."""
    images = torch.tensor([0, 100, 150, 250], dtype=torch.uint8)[:, None, None].expand(-1, 28, 28)
    fakes = MixedDigits(images, torch.tensor([4, 4, 6, 6])).images(2_000, rng()).long()
    low = fakes.flatten(1).amax(1) <= 100
    assert torch.all(low | (fakes.flatten(1).amin(1) >= 150))
    assert float(low.double().mean()) == pytest.approx(0.5, abs=0.04)
    fakes = fakes - torch.where(low, 0, 150)[:, None, None]
    plain = fakes.flatten(1).amin(1) == fakes.flatten(1).amax(1)
    blends = fakes[plain][:, 0, 0]
    blends = blends[(blends > 0) & (blends < 100)]  # of one image and itself there is no telling
    assert 25 <= int(blends.min()) < 28 < 72 < int(blends.max()) <= 75
    collages = fakes[~plain]
    assert set(collages.unique().tolist()) == {0, 100}
    assert len(collages) == pytest.approx(len(blends), rel=0.15)
    across = (collages[:, :1] == collages).flatten(1).all(1)  # every row as the first: cut from top to bottom
    assert float(across.double().mean()) == pytest.approx(0.5, abs=0.07)
    first = collages[across][:, 0]
    cuts = (first == first[:, :1]).sum(1)
    assert (int(cuts.min()), int(cuts.max())) == (11, 18)


def test_noised_digits_have_normal_noise_or_single_pixels_flipped() -> None:
    fakes = NoisedDigits(torch.full((1, 28, 28), 128, dtype=torch.uint8)).images(2_000, rng()).flatten(1).double()
    untouched = (fakes == 128).double().mean(1)
    speckled = untouched > 0.85
    assert float(speckled.double().mean()) == pytest.approx(0.5, abs=0.04)
    flipped = 1 - untouched[speckled]
    assert 0.0 <= float(flipped.min()) < 0.02
    assert 0.1 < float(flipped.max()) < 0.15
    assert float(flipped.mean()) == pytest.approx(0.06, abs=0.005)
    deviations = fakes[~speckled].std(1)
    assert 13 < float(deviations.min()) < 17
    assert 70 < float(deviations.max()) < 80  # 80 before what is out of range is cut off


def test_gaussian_fakes_have_the_mean_and_the_covariance_of_their_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two classes, each a mean and three directions, of which the middle number of components is all."""
    monkeypatch.setattr(gaussians, "COMPONENTS", (3,))
    directions = torch.linalg.qr(torch.randn(784, 3, generator=rng(1)))[0].T * torch.tensor([[200.0], [120.0], [60.0]])
    real = [mean + torch.randn(300, 3, generator=rng(mean)) @ directions for mean in (100, 150)]
    images = torch.cat(real).round().to(torch.uint8).view(-1, 28, 28)
    labels = torch.tensor([2] * 300 + [5] * 300)
    fakes = GaussianFakes(images, labels).images(8_000, rng(2)).flatten(1).float()
    low = fakes.mean(1) < 125
    assert float(low.double().mean()) == pytest.approx(0.5, abs=0.03)
    for chosen, pixels in ((low, images[:300]), (~low, images[300:])):
        mine, theirs = fakes[chosen], pixels.flatten(1).float()
        assert (mine.mean(0) - theirs.mean(0)).abs().max() < 1.5
        spread = [float((some @ directions[0] / 200).std()) for some in (mine, theirs)]
        assert spread[0] == pytest.approx(spread[1], rel=0.05)


def test_gaussian_fakes_of_few_components_stay_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    images = (100 + 20 * torch.randn(80, 784, generator=rng())).round().to(torch.uint8).view(-1, 28, 28)
    kind = GaussianFakes(images, torch.zeros(80, dtype=torch.int64))
    deviations = []
    for components in (1, 10, 60):
        monkeypatch.setattr(gaussians, "COMPONENTS", (components,))
        deviations.append(float(kind.images(500, rng()).float().var(0).sum()))
    assert deviations[0] < 0.2 * deviations[1] < 0.06 * deviations[2]


def test_no_digits_are_letters_by_seven_in_eleven_and_one_of_each_other() -> None:
    black = torch.zeros(3, 28, 28, dtype=torch.uint8)  # inverted they are white
    kind = NoDigits(black, rng(), letters=30)
    images = kind.images(3_000, rng(1))
    white = (images == 255).flatten(1).all(1)
    assert float(white.double().mean()) == pytest.approx(1 / 11, abs=0.015)
    assert len(kind.letters) == 30
    last = images[-1_500:]  # of the letters, which come last: ink on black, and not much
    assert float((last > 100).double().mean()) < 0.35
    assert bool((last.flatten(1).amax(1) > 100).all())


def test_the_vaes_loss_is_the_negative_evidence_lower_bound() -> None:
    torch.manual_seed(0)
    vae = Vae()
    pixels, noise = torch.rand(6, 784), torch.randn(6, LATENT_SIZE)
    mean, log_variance = vae.encoder(pixels).chunk(2, dim=1)
    posterior = Normal(mean, log_variance.exp().sqrt())
    p = vae.decoder(mean + posterior.scale * noise).sigmoid()
    likelihood = (pixels * p.log() + (1 - pixels) * (1 - p).log()).sum(1)
    bound = likelihood - kl_divergence(posterior, Normal(0.0, 1.0)).sum(1)
    assert float(vae.loss(pixels, noise).detach()) == pytest.approx(-bound.mean().item(), rel=1e-5)


def test_a_quarter_of_the_vaes_fakes_are_real_digits_that_went_through_it(small_digits: DataSet) -> None:
    torch.manual_seed(0)
    vae, real = Vae(), small_digits.fit.images[:50]
    found = VaeFakes(vae, real).images(40, rng(3))
    draws = rng(3)
    latents = torch.randn(40, LATENT_SIZE, generator=draws)
    chosen = real[torch.randint(50, (10,), generator=draws)].flatten(1) / 255
    with torch.no_grad():
        latents[:10] = vae.encoder(chosen).chunk(2, dim=1)[0]
        pixels = 255 * vae.decoder(latents).sigmoid()
    assert torch.equal(found, pixels.round().to(torch.uint8).view(40, 28, 28))


def test_a_vae_learns_the_digits(small_digits: DataSet) -> None:
    images, looks, states = small_digits.fit.images, list[int](), []
    for length in (256, 2_560):
        vae = fit_vae(images, length, 0, lambda: looks.append(1)).vae
        pixels = small_digits.test.images.flatten(1) / 255
        states.append(vae.loss(pixels, torch.zeros(len(pixels), LATENT_SIZE)).item())
    assert len(looks) == 1 + 11  # the last batch of an epoch is smaller
    assert states[1] < 0.7 * states[0]
