"""Which real images a step sees: a pure function of the seed and of the images seen so far, so that runs resume."""

import numpy as np
import torch
from torch import Tensor


class Batches:
    """A new order every epoch, all images once in each; the last batch of an epoch is smaller.

    Args:
        count: Images in the training set; an epoch.
        batch_size: Images in a step.
        seed: Names the orders.
        smallest: A smaller rest of an epoch joins the batch before it. BatchNorm has no statistics of a single image.
    """

    def __init__(self, count: int, batch_size: int, seed: int, smallest: int = 2) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.smallest = smallest
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def at(self, images_seen: int) -> Tensor:
        """Indices int64[batch] of the batch that comes after `images_seen` images."""
        epoch, position = divmod(images_seen, self.count)
        if epoch != self._epoch:
            # NumPy hashes the pair; torch's generator of random numbers reads the lower 32 bits of one number only.
            order = np.random.default_rng((self.seed, epoch)).permutation(self.count)
            self._order, self._epoch = torch.from_numpy(order), epoch
        end = position + self.batch_size
        if self.count - end < self.smallest:
            end = self.count
        return self._order[position:end]
