"""Fakes of the simplest model that there is: a Gaussian in the space of the first principal components, one a class."""

import torch
from torch import Tensor

from evaluation.rounding import rounded

CLASS_IMAGES = 2000  # images of a class that it is fitted to: more change little
COMPONENTS = (10, 25, 60)  # from smooth to speckled


class GaussianFakes:
    """Fitted to real digits uint8[count, 28, 28] of the classes int64[count]; any number of components, in turn."""

    def __init__(self, images: Tensor, digits: Tensor) -> None:
        self.models = []
        for digit in digits.unique().tolist():
            pixels = images[digits == digit][:CLASS_IMAGES].flatten(1).float()
            if len(pixels) < 2:
                continue
            mean = pixels.mean(dim=0)
            _, deviations, components = torch.linalg.svd(pixels - mean, full_matrices=False)
            self.models.append((mean, deviations / (len(pixels) - 1) ** 0.5, components))

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        answer = torch.empty(count, 784)
        draw = torch.randint(len(self.models) * len(COMPONENTS), (count,), generator=rng)
        for number in draw.unique().tolist():
            (chosen,) = torch.where(draw == number)
            mean, deviations, components = self.models[number // len(COMPONENTS)]
            kept = min(COMPONENTS[number % len(COMPONENTS)], len(deviations))
            latents = torch.randn(len(chosen), kept, generator=rng) * deviations[:kept]
            answer[chosen] = mean + latents @ components[:kept]
        return rounded(answer).view(count, 28, 28)
