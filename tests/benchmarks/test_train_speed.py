"""What the comparison of speeds counts."""

from benchmarks.article_script import Discriminator, Generator
from benchmarks.train_speed import preset_flops, script_flops
from training.config import PRESETS


def test_work_is_counted_from_the_networks() -> None:
    generator, discriminator = (
        sum(weights.numel() for weights in network.parameters() if weights.ndim == 2)
        for network in (Generator(), Discriminator())
    )
    g_first, d_first = 50 * 128, 784 * 512  # a first layer's input needs no gradient, unless it is a fake
    script = 2 * (generator + 2 * (3 * discriminator - d_first) + (3 * generator - g_first) + 3 * discriminator)
    assert script_flops() == script
    # The preset does not take the gradient of the discriminator's weights in the generator's step.
    assert preset_flops(PRESETS["article"]) == script - 2 * discriminator
