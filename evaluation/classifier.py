"""The MNIST classifier in whose features digits are compared, and which tells what digit an image shows.

It takes the place of the ImageNet network of the usual Fréchet distances, which knows nothing of digits and cannot
be shipped. Distances compare only under the same classifier: its weights are versioned by their file's name.
"""

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights" / "mnist-classifier-1.safetensors"
VERSION = WEIGHTS.stem
# Of these data sets it knows the images. Of others its features are still an embedding, but its classes say nothing.
SHOWING_DIGITS = ("mnist", "qmnist", "emnist-digits", "kaggle-digits", "sklearn-digits")
BATCH = 1000  # images at a time: the memory for the features of a call stays bounded


class Classifier(nn.Module):
    """A small convolutional network: uint8[batch, 28, 28] -> logits float32[batch, 10]."""

    def __init__(self) -> None:
        super().__init__()

        def convolution(channels: int, next_channels: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(channels, next_channels, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(next_channels),
                nn.ReLU(),
            )

        self.body = nn.Sequential(
            convolution(1, 16),
            convolution(16, 32, stride=2),
            convolution(32, 32),
            convolution(32, 64, stride=2),
            convolution(64, 64),
            nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 128),
            nn.BatchNorm1d(128),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(0.3)
        self.logits = nn.Linear(128, 10)

    def features(self, images: Tensor) -> Tensor:
        """uint8[batch, 28, 28] -> float32[batch, 128], the values before the last layer."""
        return self.body(images.unsqueeze(1).float() / 255)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(self.dropout(self.features(images)))


@cache
def shipped_classifier() -> Classifier:
    """The classifier that this repository ships, ready for inference on the CPU."""
    classifier = Classifier()
    classifier.load_state_dict(load_file(WEIGHTS))
    return classifier.eval().requires_grad_(False)


@torch.inference_mode()
def features_and_digits(classifier: Classifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """uint8[count, 28, 28] -> features float32[count, 128] and the digits recognised, int64[count]."""
    features = torch.cat([classifier.features(batch) for batch in images.split(BATCH)])
    return features, classifier.logits(features).argmax(dim=1)
