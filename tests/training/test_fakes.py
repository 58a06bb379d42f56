"""The kinds of fakes that a detector is trained on: each is what its docstring says."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.training.tiny_runs import CPU, SMALL
from training.config import PRESETS
from training.data import DataSet
from training.fakes import gaussians
from training.fakes.altered import MixedDigits, NoisedDigits, SquashedDigits
from training.fakes.gaussians import GaussianFakes
from training.fakes.generators import Generated
from training.fakes.kind import Pooled, Several, mixed
from training.fakes.no_digits import SIGN_SHARE, NoDigits
from training.gan import Gan


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


def test_a_pool_gives_each_of_its_images_as_often() -> None:
    pool = torch.arange(4, dtype=torch.uint8)[:, None, None].expand(-1, 28, 28)
    counts = levels(Pooled(pool).images(8_000, rng()))
    assert [counts[level] / 8_000 for level in range(4)] == pytest.approx([0.25] * 4, abs=0.02)


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


def test_squashed_digits_keep_their_shape_and_get_levels_next_to_black() -> None:
    digit = torch.zeros(1, 28, 28, dtype=torch.uint8)
    digit[:, 8:20, 10:18] = 255
    fakes = SquashedDigits(digit).images(500, rng())
    assert fakes[:, 9:19, 11:17].min() > 200
    assert (fakes[:, :5] < 20).all()
    faint = ((fakes > 0) & (fakes < 6)).flatten(1).sum(1) / (fakes > 0).flatten(1).sum(1)
    assert 0.02 < float(faint.median()) < 0.4
    assert len(fakes.flatten(1).unique(dim=0)) > 300


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


@pytest.mark.parametrize("shows_digits", [True, False])
def test_no_digits_are_of_every_kind_that_the_data_set_does_not_show(
    shows_digits: bool, small_digits: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = NoDigits(small_digits.fit.images, shows_digits, rng(), letters=30)
    assert ("letters" in kind.makers.keys() & kind.shares.keys()) == shows_digits
    assert ("silhouettes" in kind.shares) == shows_digits
    for name in kind.shares:
        images = kind.makers[name](20, rng(1))
        assert images.shape == (20, 28, 28), name
        assert images.dtype == torch.uint8, name
        assert torch.equal(images, kind.makers[name](20, rng(1))), name
        assert not torch.equal(images, kind.makers[name](20, rng(2))), name
    numbers = dict.fromkeys(kind.shares, 0)

    def counted(name: str) -> Callable[[int, torch.Generator], Tensor]:
        def make(count: int, rng: torch.Generator) -> Tensor:
            numbers[name] += count
            return torch.zeros(count, 28, 28, dtype=torch.uint8)

        return make

    kind.makers = {name: counted(name) for name in kind.shares}
    assert len(kind.images(8_000, rng())) == 8_000
    total = sum(kind.shares.values())
    for name, share in kind.shares.items():
        assert numbers[name] / 8_000 == pytest.approx(share / total, abs=0.02), name


def test_signs_stand_among_the_digits_of_a_page_only_beside_digits(small_digits: DataSet) -> None:
    for shows_digits, share in ((True, SIGN_SHARE), (False, 0.0)):
        kind = NoDigits(small_digits.fit.images, shows_digits, rng(), letters=30)
        real = {image.numpy().tobytes() for image in small_digits.fit.images}
        parts = kind.parts(100, rng(1))
        others = [image for image in parts if image.numpy().tobytes() not in real]
        assert len(parts) == 100
        assert len(others) / 100 == pytest.approx(share, abs=0.01)
