"""The latents of a seed's stream: image `i` of seed `s` has the same ones whatever call asks for it.

Philox4x64-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3") in NumPy's implementation, whose
bits are guaranteed not to change. An image takes B = ceil(latent_size / 4) blocks of four 64-bit words:

    key      (s, 0)
    counter  i * B + b, as a 256-bit number, for the image's block b = 0 ... B-1

Each pair of words (w0, w1) becomes a pair of normals by Box and Muller's transform (1958), which uses a fixed number
of draws:

    u = ((w0 >> 11) + 1) / 2^53    v = (w1 >> 11) / 2^53    in float64
    sqrt(-2 ln u) cos(2 pi v),  sqrt(-2 ln u) sin(2 pi v)   rounded to float32

The first `latent_size` normals of the image's 4B are its latents. The words are drawn for each call's images, the
transform is made for a whole batch at once: for a single image it costs five times what the words cost.
"""

import threading

import numpy as np
from numpy.typing import NDArray

WORDS_PER_BLOCK = 4
WORD = 2**64 - 1
COUNTERS = 2**256


def latents(seed: int, offset: int, count: int, latent_size: int) -> NDArray[np.float32]:
    """Latents of the images `offset` to `offset + count - 1` of a seed's stream.

    Args:
        seed: 0 to 2^64 - 1.
        offset: Index of the first image, from 0; `offset + count` at most 2^64.
        count: How many images.
        latent_size: Normals per image.

    Returns:
        float32[count, latent_size], standard normal.
    """
    return normals(random_words(seed, offset, count, latent_size), latent_size)


def random_words(seed: int, offset: int, count: int, latent_size: int) -> NDArray[np.uint64]:
    """The random words of these images: uint64[count, 4B]. The arguments are those of `latents`."""
    blocks = -(-latent_size // WORDS_PER_BLOCK)
    # NumPy's Philox steps its counter before it generates: the first block would be that of counter + 1.
    counter = (offset * blocks - 1) % COUNTERS
    words = _generator.at(seed, counter).random_raw(count * blocks * WORDS_PER_BLOCK)
    return np.asarray(words).reshape(count, blocks * WORDS_PER_BLOCK)


def normals(words: NDArray[np.uint64], latent_size: int) -> NDArray[np.float32]:
    """The latents that random words stand for: uint64[count, 4B] -> float32[count, latent_size]."""
    pairs = (words >> np.uint64(11)).reshape(-1, 2)
    # Contiguous copies: NumPy picks other instructions, and so other last bits, for strided arrays.
    u = np.ascontiguousarray(pairs[:, 0] + np.uint64(1)) * 2.0**-53
    v = np.ascontiguousarray(pairs[:, 1]) * 2.0**-53
    radius, angle = np.sqrt(-2.0 * np.log(u)), (2.0 * np.pi) * v
    both = np.empty((len(pairs), 2))
    both[:, 0] = radius * np.cos(angle)
    both[:, 1] = radius * np.sin(angle)
    return both.reshape(words.shape)[:, :latent_size].astype(np.float32)


class _Generator(threading.local):
    """One Philox in each thread, set to where it is needed: a fifth of what making a new one costs."""

    def __init__(self) -> None:
        self._philox = np.random.Philox(key=0)
        self._state = self._philox.state
        # With nothing left over of a block, the next word begins a new one.
        self._state["buffer_pos"] = WORDS_PER_BLOCK

    def at(self, seed: int, counter: int) -> np.random.Philox:
        """The generator with this key, whose next block is that of `counter + 1`."""
        inner = self._state["state"]
        inner["key"][0] = seed
        for place in range(WORDS_PER_BLOCK):
            inner["counter"][place] = counter & WORD
            counter >>= 64
        self._philox.state = self._state
        return self._philox


_generator = _Generator()
