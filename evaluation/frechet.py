"""Fréchet distance between two sets of digits, from their features: moments in float64, then the distance.

Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", with the features of our own classifier in the
place of Inception's. The values compare only under the same classifier and the same number of images.
"""

import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from evaluation.given_features import GivenFeatures


@torch.no_grad()
def frechet_distance(features: Tensor, reference: Tensor) -> float:
    """Between two sets of features, float[count, size] each; 0 for equal ones."""
    metric = FrechetInceptionDistance(feature=GivenFeatures(features.shape[1]), sync_on_compute=False).set_dtype(
        torch.float64
    )
    metric.update(features.double(), real=False)
    metric.update(reference.double(), real=True)
    return float(metric.compute())
