"""The models of other makers: trained once, kept in small files, sampled when a detector is trained."""

import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

import training.fakes.train
from training.data import DataSet, LabelledImages
from training.fakes.autoencoders import Autoencoder, AutoencoderRecipe
from training.fakes.diffusion import Denoiser, DiffusionRecipe, sampled
from training.fakes.gan_networks import GENERATORS
from training.fakes.gan_training import GanRecipe
from training.fakes.kind import to_pixels
from training.fakes.recipe import Recipe, weights_of, with_weights
from training.fakes.recipes import RECIPES
from training.fakes.shipped import FAMILIES, WEIGHTS, family_fakes, saturated
from training.fakes.small_weights import load_small, save_small

MOST_BYTES = 3_000_000
FILES = {name: WEIGHTS / f"{name}.safetensors" for name in RECIPES}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_recipe_has_its_weights_and_all_are_small() -> None:
    assert sorted(FILES.values()) == sorted(WEIGHTS.iterdir())
    assert sum(file.stat().st_size for file in FILES.values()) < MOST_BYTES


@pytest.mark.parametrize("name", RECIPES)
def test_a_file_says_by_which_recipe_it_was_made(name: str) -> None:
    family, recipe = RECIPES[name]
    snapshots, about = load_small(FILES[name])
    assert len(snapshots) == len(recipe.snapshots)
    assert (about["name"], about["family"], about["dataset"]) == (name, family, "mnist")
    assert json.loads(about["recipe"]) == json.loads(json.dumps(dataclasses.asdict(recipe)))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_fakes_are_the_same_for_a_seed_and_others_for_another(family: str, small_digits: DataSet) -> None:
    pools = [family_fakes(family, small_digits.fit, 24, rng(seed)).pool for seed in (1, 1, 2)]
    assert pools[0].shape[1:] == (28, 28)
    assert pools[0].dtype == torch.uint8
    assert torch.equal(pools[0], pools[1])
    assert not torch.equal(pools[0], pools[2])


def test_half_of_the_fakes_are_rounded_and_half_cut_off() -> None:
    pixels = to_pixels(torch.full((4000, 28, 28), 7.9), rng())
    assert set(pixels.unique().tolist()) == {7, 8}
    assert float((pixels == 8).double().mean()) == pytest.approx(0.5, abs=0.03)


def test_half_of_the_fakes_have_ink_as_of_a_longer_training_and_black_stays() -> None:
    levels = torch.full((4000, 28, 28), 230.0)
    levels[:, 0], levels[:, 1], levels[:, 2] = 3.0, 100.0, 300.0
    made = saturated(levels, rng())
    assert torch.equal(made[:, :2], levels[:, :2])
    ink = made[:, 5, 5]
    assert float((ink == 230).double().mean()) == pytest.approx(0.5, abs=0.03)
    longer = torch.logit(ink[ink != 230] / 255) / torch.logit(torch.tensor(230 / 255))  # times the logits
    assert float(longer.min()) > 1
    assert float(longer.max()) < 4.001
    assert float(longer.log().mean()) == pytest.approx(float(torch.tensor(2.0).log()), abs=0.05)
    assert float(made[:, 2].min()) > 254.9


def test_small_files_hold_weights_to_a_127th_of_a_rows_largest(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(7, 4))
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    save_small(tmp_path / "some", [weights_of(network), weights_of(nn.Linear(2, 2))], {"name": "some"})
    (found, other), about = load_small(tmp_path / "some")
    assert about == {"name": "some"}
    assert set(other) == {"weight", "bias"}
    for name, weight in weights_of(network).items():
        rows, theirs = weight.reshape(len(weight), -1), found[name].reshape(len(weight), -1)
        most = rows.abs().amax(1, keepdim=True) / 127 if weight.ndim > 1 else rows.abs() / 512
        assert bool(((rows - theirs).abs() <= 0.6 * most + 1e-7).all()), name


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        with_weights(nn.Linear(2, 3), weights_of(nn.Linear(2, 2)))


@pytest.mark.parametrize("form", GENERATORS)
def test_generators_make_images_of_their_size(form: str) -> None:
    recipe = GanRecipe(form, width=8, latent=4)
    assert recipe.generator()(torch.zeros(2, 4)).shape == (2, 1, recipe.side, recipe.side)


TINY = {
    "cross-entropy": GanRecipe("two dense", width=4),
    "least squares": GanRecipe("upsampled nearest", loss="least squares", width=4),
    "wasserstein": GanRecipe("mlp", loss="wasserstein", norm="mlp", width=4),
    "large": GanRecipe("transposed large", width=4),
    "dense": GanRecipe("two dense, full", norm="batch, dense", width=4, opponent_lr=1e-4),
    "told": GanRecipe("kernel 7", classes="told", norm="dropout", last="sigmoid", width=4),
    "none": GanRecipe("transposed", norm="none", width=4),
    "noise": DiffusionRecipe(width=4, steps=(2, 3)),
    "variational": AutoencoderRecipe("mlp", 3, 8, variational=True, reconstructions=0.2, blends=0.2),
    "codes": AutoencoderRecipe("codes", 2, 4),
    "upsampling": AutoencoderRecipe("upsampling", 2, 4),
}


@pytest.mark.parametrize("name", TINY)
def test_a_recipe_trains_the_same_twice_and_keeps_its_snapshots(name: str, small_digits: DataSet) -> None:
    recipe = dataclasses.replace(TINY[name], images=400, snapshots=(0.5, 1.0))
    looks: list[int] = []
    first, second = (recipe.train(small_digits.fit, looks.append) for _ in range(2))
    half = len(looks) // 2
    assert looks[:half] == looks[half:]
    assert all(before < after for before, after in pairwise(looks[:half]))
    assert looks[half - 1] >= 400
    assert len(first) == 2
    assert all(torch.equal(first[1][key], second[1][key]) for key in first[1])
    assert any(not torch.equal(first[0][key], first[1][key]) for key in first[1])
    for count in (0, 1, 5):
        levels = recipe.fakes(first[1], small_digits.fit, count, rng())
        assert levels.shape == (count, 28, 28)
        assert bool(levels.isfinite().all())


@pytest.mark.parametrize(
    "recipe",
    [
        GanRecipe("two dense", width=16, lr=2e-3, images=12_000),
        AutoencoderRecipe("convolutional", 8, 8, lr=3e-3, reconstructions=1.0, blends=0.0, images=12_000),
    ],
    ids=["gan", "autoencoder"],
)
def test_a_models_fakes_come_near_the_real_digits(recipe: Recipe, small_digits: DataSet) -> None:
    distances = []
    for length in (2, recipe.images):
        (weights,) = dataclasses.replace(recipe, images=length, snapshots=(1.0,)).train(small_digits.fit, looked)
        levels = recipe.fakes(weights, small_digits.fit, 256, rng())
        distances.append(float((levels.mean(0) - small_digits.fit.images.float().mean(0)).norm()))
    assert distances[1] < 0.4 * distances[0]


def test_a_denoiser_learns_to_tell_noise_from_digits(small_digits: DataSet) -> None:
    recipe = DiffusionRecipe(width=8, half_life=200, lr=5e-3, images=4_000)
    real, noise = small_digits.test.images[:64, None] / 127.5 - 1, torch.randn(64, 1, 28, 28, generator=rng())
    times = torch.full((64,), 0.5)
    image_share, noise_share = (share[:, None, None, None] for share in recipe.shares(times))
    errors = []
    for length in (2, recipe.images):
        (weights,) = dataclasses.replace(recipe, images=length).train(small_digits.fit, looked)
        with torch.no_grad():
            found = with_weights(Denoiser(8), weights)(image_share * real + noise_share * noise, times)
        errors.append(float((found - noise).square().mean()))
    assert errors[1] < 0.85 * errors[0]


def looked(seen: int) -> None:
    """What nobody wants to know."""


def test_the_loss_of_a_variational_autoencoder_is_the_negative_evidence_lower_bound() -> None:
    torch.manual_seed(0)
    network = Autoencoder("mlp", 5, 8, variational=True)
    pixels, noise = torch.rand(6, 784), torch.randn(6, 5)
    mean, log_variance = network.encoder(pixels).chunk(2, dim=1)
    posterior = Normal(mean, log_variance.exp().sqrt())
    p = network.pixels(mean + posterior.scale * noise)
    likelihood = (pixels * p.log() + (1 - pixels) * (1 - p).log()).sum(1)
    bound = likelihood - kl_divergence(posterior, Normal(0.0, 1.0)).sum(1)
    assert float(network.loss(pixels, noise).detach()) == pytest.approx(-bound.mean().item(), rel=1e-5)


def test_a_blend_lies_between_the_latents_of_two_digits_of_a_class() -> None:
    """Of an autoencoder that knows its images by their level: a blend's is a quarter to three quarters of the way."""
    recipe = AutoencoderRecipe("mlp", 1, 1, reconstructions=0.25, blends=0.75)
    weights = {name: torch.zeros_like(weight) for name, weight in weights_of(recipe.network()).items()}
    weights["encoder.0.weight"] += 1 / 784
    for name in ("encoder.2", "decoder.0", "decoder.2"):
        weights[f"{name}.weight"] += 1
    images = torch.tensor([0, 80, 160, 240], dtype=torch.uint8)[:, None, None].expand(-1, 28, 28)
    real = LabelledImages(images, torch.tensor([3, 3, 7, 7]))
    found = recipe.fakes(weights, real, 4_000, rng())[:, 0, 0] / 255
    latents = 255 * found.logit()
    whole, blends = latents[:1_000], latents[1_000:]
    assert sorted({round(level) for level in whole.tolist()}) == [0, 80, 160, 240]
    for low, high in ((0, 80), (160, 240)):
        inside = blends[(blends > low + 1) & (blends < high - 1)]
        assert len(inside) == pytest.approx(750, rel=0.15)  # a quarter are of a digit and itself
        assert low + 19 < float(inside.min()) < low + 24
        assert high - 24 < float(inside.max()) < high - 19
    assert bool(((blends < 81) | (blends > 159)).all())


class Knowing(Denoiser):
    """A denoiser of a data set of one image."""

    def __init__(self, recipe: DiffusionRecipe, image: Tensor) -> None:
        super().__init__(4)
        self.recipe, self.image = recipe, image

    def forward(self, images: Tensor, times: Tensor) -> Tensor:
        image_share, noise_share = (share[:, None, None, None] for share in self.recipe.shares(times))
        return (images - image_share * self.image) / noise_share


@pytest.mark.parametrize("fresh", [0.0, 1.0])
def test_a_denoiser_that_knows_the_image_is_led_to_it(fresh: float) -> None:
    recipe = DiffusionRecipe()
    image = torch.linspace(-1, 1, 784).view(1, 1, 28, 28)
    levels = sampled(recipe, Knowing(recipe, image), torch.zeros(28, 28), 3, 7, fresh, rng())
    assert (levels - 127.5 * (image[0] + 1)).abs().max() < 0.05


def test_make_fakes_passes_over_what_is_there(
    monkeypatch: pytest.MonkeyPatch, small_digits: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training.fakes.train, "load_data_set", lambda name, folder: small_digits)
    monkeypatch.setattr("sys.argv", ["train", "--out", str(tmp_path), "--images", "128", "--only", "mlp-gan", "vae"])
    (tmp_path / "vae.safetensors").write_bytes(b"mine")
    training.fakes.train.main()
    assert (tmp_path / "vae.safetensors").read_bytes() == b"mine"
    snapshots, about = load_small(tmp_path / "mlp-gan.safetensors")
    assert len(snapshots) == 1
    assert json.loads(about["recipe"])["images"] == 128
    assert capsys.readouterr().out.startswith("mlp-gan: ")
