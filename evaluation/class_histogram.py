"""Which digits a set shows, as the classifier recognises them, and how far that is from as many of each.

A generator that leaves classes out, or overdoes some, shows here even where no class can be asked for.
"""

import torch
from torch import Tensor

CLASSES = 10


def class_histogram(digits: Tensor) -> Tensor:
    """Digits recognised, int64[count], -> how many of each, int64[10]."""
    return torch.bincount(digits, minlength=CLASSES)


def divergence_from_uniform(histogram: Tensor) -> float:
    """Kullback-Leibler divergence of the shares from the uniform distribution, in nats.

    0 where all classes are equally frequent, ln 10 = 2.30 where there is only one. Drawing `n` images from the uniform
    distribution gives about 9 / 2n by chance.
    """
    shares = histogram.double() / histogram.sum()
    return float(torch.special.xlogy(shares, shares * len(shares)).sum().clamp(min=0))
