"""Kernel distance between two sets of digits: the squared maximum mean discrepancy of their features.

Bińkowski et al. 2018, "Demystifying MMD GANs", with the cubic kernel (x·y / size + 1)³ and the unbiased estimate,
averaged over random subsets. Unlike the Fréchet distance it takes the features for no Gaussians, and its expected
value does not depend on the number of images: other real digits score about 0, a little below at times.
"""

import warnings

import torch
from torch import Tensor
from torchmetrics.image.kid import KernelInceptionDistance

from evaluation.given_features import GivenFeatures

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 0


@torch.no_grad()
def kernel_distance(features: Tensor, reference: Tensor) -> float:
    """Between two sets of features, float[count, size] each; the subsets are the same in every call.

    Sets of no more than 1,000 features each, as many in both, are taken whole.
    """
    size = min(SUBSET_SIZE, len(features), len(reference))
    subsets = 1 if size == len(features) == len(reference) else SUBSETS  # whole sets would all give the same
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all")
        metric = KernelInceptionDistance(
            GivenFeatures(features.shape[1]), subsets=subsets, subset_size=size, sync_on_compute=False
        )
    metric.update(features.double(), real=False)
    metric.update(reference.double(), real=True)
    with torch.random.fork_rng(devices=[]):  # the metric draws its subsets from torch's global generator
        torch.manual_seed(SEED)
        return float(metric.compute()[0])
