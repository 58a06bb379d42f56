"""The numbers of one step, beside those of its formulas in float64."""

import copy
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from training.config import PRESETS, TrainingConfig
from training.data import DataSet
from training.gan import Gan

CPU = torch.device("cpu")
ROWS = 12
SMALL = PRESETS["default"].with_options(
    {
        "latent_size": 5,
        "generator_hidden": (16, 24),
        "generator_channels": 2,
        "discriminator_hidden": (12,),
        "discriminator_channels": 2,
        "pixel_mean": 0.2,
        "pixel_std": 0.4,
        "r1_interval": 2,
        "bfloat16": False,
    }
)
# What every one of them changes has to be in the gradients.
OPTIONS = {
    "no penalty": {"r1_gamma": 0},
    "a penalty on every image": {"r1_gamma": 100, "r1_images": None},
    "a penalty on some images": {"r1_gamma": 100, "r1_images": 5},
    "a penalty on more images than there are": {"r1_gamma": 100, "r1_images": 500},
    "a penalty at every step": {"r1_gamma": 100, "r1_interval": 1},
    "new latents for the generator": {"fresh_latents": True, "r1_gamma": 0},
    "no classes": {"class_conditional": False, "r1_gamma": 100, "r1_images": 5},
    "no convolutions": {"generator_channels": 0, "discriminator_channels": 0, "r1_gamma": 0},
}


def assert_close(found: list[Tensor], expected: Sequence[Tensor]) -> None:
    torch.testing.assert_close(found, list(expected), rtol=1e-3, atol=1e-6, check_dtype=False)


def slope(discriminator: nn.Module, images: Tensor, classes: Tensor | None) -> Tensor:
    """The mean over images of half the squared norm of the logit's gradient, image by image."""
    norms = []
    for row in range(len(images)):
        image = images[row : row + 1].clone().requires_grad_()
        logit = discriminator(image, classes[row : row + 1] if classes is not None else None)
        (gradient,) = torch.autograd.grad(logit.sum(), image, create_graph=True)
        norms.append((gradient**2).sum())
    return torch.stack(norms).mean() / 2


def batches(config: TrainingConfig, data: DataSet, count: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    rng = torch.Generator().manual_seed(3)
    for number in range(count):
        part = data.fit[number * ROWS : (number + 1) * ROWS]
        latents, fresh = torch.randn(2, ROWS, config.latent_size, generator=rng)
        yield part.images, part.labels, latents, fresh


def gradients(network: nn.Module) -> list[Tensor]:
    return [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in network.parameters()]


@pytest.mark.parametrize("all_rows", [ROWS, 2 * ROWS], ids=["alone", "with another worker"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_step_follows_the_gradients_of_its_formulas(
    options: dict[str, object], all_rows: int, small_digits: DataSet
) -> None:
    config = SMALL.with_options(options)
    gan = Gan(config, CPU)
    for number, (images, digits, latents, fresh) in enumerate(batches(config, small_digits, 3)):
        before = copy.deepcopy(gan)
        generator, discriminator = before.generator.double(), before.discriminator.double()
        found = gan.step(images, digits, latents, fresh if config.fresh_latents else None, all_rows)

        real = (images.flatten(1).double() / 255 - 0.2) / 0.4
        classes = digits if config.class_conditional else None
        p_real = discriminator(real, classes).sigmoid()
        p_fake = discriminator(generator(latents.double(), classes).detach(), classes).sigmoid()
        d_loss = -p_real.log().mean() - (1 - p_fake).log().mean()
        penalty = torch.zeros(())
        if config.r1_gamma and number % config.r1_interval == 0:
            # Its own share of the images that all workers together look at; each has to look at one at least.
            some = min(ROWS, -(-(config.r1_images or all_rows) * ROWS // all_rows))
            inputs = real[:some], classes[:some] if classes is not None else None
            penalty = config.r1_gamma * config.r1_interval * slope(discriminator, *inputs)
            assert penalty > 0.02 * d_loss  # or it would not be seen
        expected = torch.autograd.grad(d_loss + penalty, list(discriminator.parameters()), materialize_grads=True)
        assert_close(gradients(gan.discriminator), expected)

        # Against the discriminator as this step leaves it.
        judge = copy.deepcopy(gan.discriminator).double()
        z = fresh if config.fresh_latents else latents
        g_loss = -judge(generator(z.double(), classes), classes).sigmoid().log().mean()
        expected = torch.autograd.grad(g_loss, list(generator.parameters()))
        assert_close(gradients(gan.generator), expected)
        squares = torch.cat([gradient.flatten() for gradient in expected]).square()
        assert float(gan.generator_gradient_norm()) == pytest.approx(float(squares.sum().sqrt()), rel=1e-4)

        told = {
            "d_loss": d_loss,  # without the penalty
            "g_loss": g_loss,
            "d_real": p_real.mean(),
            "d_fake": p_fake.mean(),
            "d_real_accuracy": (p_real > 0.5).double().mean(),
            "d_fake_accuracy": (p_fake < 0.5).double().mean(),
        }
        assert {name: value.item() for name, value in found.items()} == pytest.approx(
            {name: value.item() for name, value in told.items()}, rel=1e-4
        )


def test_the_accuracies_are_the_shares_that_the_discriminator_gets_right(small_digits: DataSet) -> None:
    gan = Gan(SMALL.with_options({"r1_gamma": 0}), CPU)
    ((images, digits, latents, _),) = batches(gan.config, small_digits, 1)
    for bias, right in ((50.0, (1, 0)), (-50.0, (0, 1))):
        with torch.no_grad():
            gan.discriminator.logit.bias.fill_(bias)
        found = gan.step(images, digits, latents, None)
        assert (found["d_real_accuracy"].item(), found["d_fake_accuracy"].item()) == right


def test_adams_first_step_is_as_long_as_the_learning_rate_and_goes_against_the_gradient(small_digits: DataSet) -> None:
    gan = Gan(SMALL.with_options({"generator_lr": 2e-3, "discriminator_lr": 5e-4}), CPU)
    before = copy.deepcopy(gan)
    ((images, digits, latents, _),) = batches(gan.config, small_digits, 1)
    gan.step(images, digits, latents, None)
    for name, rate in (("generator", 2e-3), ("discriminator", 5e-4)):
        network = getattr(gan, name)
        for old, new, gradient in zip(
            getattr(before, name).parameters(), network.parameters(), gradients(network), strict=True
        ):
            expected = old - rate * gradient / (gradient.abs() + 1e-8)
            torch.testing.assert_close(new, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({"batch_size": 256}, 2),
        ({"batch_size": 64}, 0.5),
        ({"batch_size": 256, "lr_batch_size": 0}, 1),
        ({"batch_size": 512, "lr_batch_size": 128}, 2),  # steps are of 256 images, so are the rates
    ],
)
def test_rates_follow_the_root_of_the_batch_and_betas_their_power(options: dict[str, object], share: float) -> None:
    rates = {"generator_lr": 1e-3, "discriminator_lr": 4e-3, "adam_beta1": 0.5, "adam_beta2": 0.9}
    gan = Gan(SMALL.with_options(rates | options), CPU)
    for optimizer, rate in ((gan.generator_optimizer, 1e-3), (gan.discriminator_optimizer, 4e-3)):
        (group,) = optimizer.param_groups
        assert group["betas"] == pytest.approx((0.5**share, 0.9**share))
        assert (group["eps"], group["weight_decay"]) == (1e-8, 0)
        assert group["lr"] == pytest.approx(rate * share**0.5)
    gan.set_learning_rates(0.5, 0.25)
    assert gan.generator_optimizer.param_groups[0]["lr"] == pytest.approx(0.5e-3 * share**0.5)
    assert gan.discriminator_optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * share**0.5)


def test_every_weight_of_a_network_is_its_own_optimizers() -> None:
    gan = Gan(SMALL, CPU)
    for network, optimizer in (
        (gan.generator, gan.generator_optimizer),
        (gan.discriminator, gan.discriminator_optimizer),
    ):
        assert [id(weight) for weight in optimizer.param_groups[0]["params"]] == list(map(id, network.parameters()))


def test_the_average_follows_the_generator_at_its_half_life(small_digits: DataSet) -> None:
    gan = Gan(SMALL.with_options({"ema_half_life": 1000, "ema_ramp": 0.5}), CPU)
    before = copy.deepcopy(gan.ema)
    ((images, digits, latents, _),) = batches(gan.config, small_digits, 1)
    gan.step(images, digits, latents, None)

    def way() -> list[float]:
        """How far each weight has come from where it was to where the generator's is."""
        triples = zip(before.parameters(), gan.ema.parameters(), gan.generator.parameters(), strict=True)
        return [((average - old).norm() / (new - old).norm()).item() for old, average, new in triples]

    gan.update_ema(batch_size=1000, images_seen=10**9)  # a half-life of images: half of the way
    assert way() == pytest.approx([1 / 2] * len(way()), rel=1e-3)
    gan.update_ema(batch_size=100, images_seen=200)  # early on the half-life is a share of the images seen: a batch
    assert way() == pytest.approx([3 / 4] * len(way()), rel=1e-3)
    gan.update_ema(batch_size=2000, images_seen=10**9)  # two half-lives: a quarter of what was left
    assert way() == pytest.approx([15 / 16] * len(way()), rel=1e-3)


def test_without_a_half_life_the_generator_itself_is_shown() -> None:
    gan = Gan(SMALL.with_options({"ema_half_life": 0}), CPU)
    assert gan.ema is gan.generator
    gan.update_ema(batch_size=100, images_seen=100)


def test_all_that_a_step_depends_on_is_in_the_state(small_digits: DataSet) -> None:
    config = SMALL.with_options({"adam_beta1": 0.5, "r1_gamma": 100, "seed": 1})
    gan, other = Gan(config, CPU), Gan(config.with_options({"seed": 2}), CPU)
    first, *rest = batches(config, small_digits, 4)
    gan.step(*first[:3], None)
    other.load_state_dict(copy.deepcopy(gan.state_dict()))
    for images, digits, latents, _ in rest:
        for pair in (gan, other):
            pair.step(images, digits, latents, None)
            pair.update_ema(ROWS, 1000)
    for network in ("generator", "discriminator", "ema"):
        ours, theirs = getattr(gan, network).state_dict(), getattr(other, network).state_dict()
        assert all(torch.equal(weight, theirs[name]) for name, weight in ours.items()), network
