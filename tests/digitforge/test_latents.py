"""The latents against the published generator, computed here a second time in plain Python."""

import hashlib
import math

import numpy as np
import pytest

from digitforge.latents import latents

WORD = 2**64 - 1
END = 2**64  # of a seed's stream
GOLDEN_FIRSTS = [0.07850223034620285, 1.5730793476104736, -1.4869697093963623]
GOLDEN_SHA256 = "427a63974cd4bf1e54869dcd4ea0ad51118022cbc5d2c17f30ced936a7e1c709"


def philox(counter: int, key: int) -> list[int]:
    """Philox4x64-10 (Salmon et al. 2011) of one counter, word by word."""
    c0, c1, c2, c3 = (counter >> 64 * place & WORD for place in range(4))
    k0, k1 = key & WORD, key >> 64
    for _ in range(10):
        high0, low0 = divmod(c0 * 0xD2E7470EE14C6C93, 2**64)
        high1, low1 = divmod(c2 * 0xCA5A826395121157, 2**64)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + 0x9E3779B97F4A7C15 & WORD, k1 + 0xBB67AE8584CAA73B & WORD
    return [c0, c1, c2, c3]


def expected_latents(seed: int, index: int, latent_size: int) -> list[float]:
    """One image's latents by the layout that digitforge/latents.py documents."""
    blocks = math.ceil(latent_size / 4)
    normals = []
    for block in range(blocks):
        words = philox(index * blocks + block, seed)
        for w0, w1 in (words[:2], words[2:]):
            u, v = ((w0 >> 11) + 1) / 2**53, (w1 >> 11) / 2**53
            radius = math.sqrt(-2 * math.log(u))
            normals += [radius * math.cos(2 * math.pi * v), radius * math.sin(2 * math.pi * v)]
    return normals[:latent_size]


def test_reference_gives_random123s_known_answers() -> None:
    # https://github.com/DEShawResearch/random123, tests/kat_vectors, "philox4x64 10"
    assert philox(0, 0) == [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox(2**256 - 1, 2**128 - 1) == [
        0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0,
    ]  # fmt: skip


def test_first_latents_of_seed_0_come_from_the_known_answer() -> None:
    u0, v0 = ((0x16554D9ECA36314C >> 11) + 1) / 2**53, (0xDB20FE9D672D0FDC >> 11) / 2**53
    u1, v1 = ((0xD7E772CEE186176B >> 11) + 1) / 2**53, (0x7E68B68AEC7BA23B >> 11) / 2**53
    expected = [
        math.sqrt(-2 * math.log(u0)) * math.cos(2 * math.pi * v0),
        math.sqrt(-2 * math.log(u0)) * math.sin(2 * math.pi * v0),
        math.sqrt(-2 * math.log(u1)) * math.cos(2 * math.pi * v1),
        math.sqrt(-2 * math.log(u1)) * math.sin(2 * math.pi * v1),
    ]
    np.testing.assert_allclose(latents(0, 0, 1, 4)[0], expected, rtol=2e-7)


@pytest.mark.parametrize(
    ("seed", "index", "latent_size"),
    [
        (0, 0, 50),
        (7, 12_345, 64),
        (2**64 - 1, 3, 5),
        (1, 2**62 + 1, 64),  # the counter is beyond 64 bits
        (3, END - 1, 50),
    ],
)
def test_latents_follow_the_documented_layout(seed: int, index: int, latent_size: int) -> None:
    expected = expected_latents(seed, index, latent_size)
    np.testing.assert_allclose(latents(seed, index, 1, latent_size)[0], expected, rtol=2e-7, atol=1e-12)


def test_golden_latents_never_change() -> None:
    found = latents(7, 0, 3, 50)
    assert found.dtype == np.float32
    assert found.shape == (3, 50)
    assert found[:, 0].tolist() == GOLDEN_FIRSTS
    assert hashlib.sha256(found.tobytes()).hexdigest() == GOLDEN_SHA256


@pytest.mark.parametrize("first", [0, 1, 999, 2**63 - 5, END - 40])
@pytest.mark.parametrize("latent_size", [50, 64])
def test_any_slice_equals_the_whole_bitwise(first: int, latent_size: int) -> None:
    whole = latents(11, first, 40, latent_size)
    for start in range(40):
        for count in {1, 2, 3, 7, 40 - start}:
            part = latents(11, first + start, min(count, 40 - start), latent_size)
            assert part.tobytes() == whole[start : start + count].tobytes()


def test_latents_do_not_depend_on_the_count() -> None:
    whole = latents(13, 100, 1000, 64)
    for index in range(1000):
        assert latents(13, 100 + index, 1, 64).tobytes() == whole[index].tobytes()


@pytest.mark.parametrize("latent_size", [1, 2, 3, 4, 5, 7, 50, 63])
def test_any_latent_size_is_filled(latent_size: int) -> None:
    found = latents(5, 0, 100, latent_size)
    assert found.shape == (100, latent_size)
    assert len(np.unique(found)) == found.size  # nothing left out, nothing twice
    np.testing.assert_allclose(found[99], expected_latents(5, 99, latent_size), rtol=2e-7, atol=1e-12)


def test_seeds_and_images_differ_in_every_latent() -> None:
    streams = np.stack([latents(seed, 0, 8, 64) for seed in (0, 1, 2, 2**63, 2**64 - 1)])
    assert len(np.unique(streams)) == streams.size


def test_latents_are_standard_normal() -> None:
    sample = latents(1, 0, 20_000, 50).astype(np.float64).ravel()
    error = len(sample) ** -0.5  # of the mean; the bounds are five standard errors
    assert abs(sample.mean()) < 5 * error
    assert abs(sample.var() - 1) < 5 * error * 2**0.5
    assert abs((sample**3).mean()) < 5 * error * 15**0.5
    assert abs((sample**4).mean() - 3) < 5 * error * 96**0.5
    assert np.isfinite(sample).all()


def test_neighbouring_latents_are_uncorrelated() -> None:
    sample = latents(2, 0, 20_000, 8).astype(np.float64)
    correlations = np.corrcoef(sample, rowvar=False) - np.eye(8)
    assert np.abs(correlations).max() < 5 * len(sample) ** -0.5
