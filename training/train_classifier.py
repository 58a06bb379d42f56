"""Train the evaluation's classifier anew: `python -m training.train_classifier --out FILE`.

It learns from the images that generators are fitted to, shifted, turned and scaled a little; the held-out ones tell
how it goes, the test set what came out. Afterwards every Fréchet distance is on a new scale: give the file a new
version.
"""

import argparse
import math
import os
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from evaluation.classifier import WEIGHTS, Classifier, features_and_digits
from training.data import LabelledImages, load_data_set

BATCH = 128
PEAK_LR = 3e-3


def augment(images: Tensor) -> Tensor:
    """Turn by up to 12 degrees, scale by up to 10% and shift by up to 2 pixels, each image in its own way.

    uint8[batch, 28, 28] -> float32[batch, 28, 28], 0 to 255.
    """
    count = len(images)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count) * 2 - 1) * limit

    angle, scale, shift = uniform(math.radians(12)), 1 + uniform(0.1), 2 * 2 / 28  # `affine_grid`: an image is 2 wide
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = [torch.stack([cosine, -sine, uniform(shift)], 1), torch.stack([sine, cosine, uniform(shift)], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), [count, 1, 28, 28], align_corners=False)
    return F.grid_sample(images.unsqueeze(1).float(), grid, align_corners=False).squeeze(1)


def accuracy(classifier: Classifier, digits: LabelledImages) -> float:
    """The share of images that the classifier recognises."""
    _, recognised = features_and_digits(classifier.eval(), digits.images)
    return float((recognised == digits.labels).double().mean())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the classifier that quality is measured with.")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help=f"a new file beside {WEIGHTS.name}")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"--out {options.out} exists: weights that figures were measured with are never overwritten")

    data = load_data_set("mnist", options.data_dir)
    torch.manual_seed(options.seed)
    classifier = Classifier()
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=1e-2, fused=True)
    steps_per_epoch = len(data.fit) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, total_steps=options.epochs * steps_per_epoch)

    for epoch in range(options.epochs):
        start = time.monotonic()
        classifier.train()
        for batch in torch.randperm(len(data.fit))[: steps_per_epoch * BATCH].split(BATCH):
            logits = classifier(augment(data.fit.images[batch]))
            loss = F.cross_entropy(logits, data.fit.labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        held_out = accuracy(classifier, data.held_out)
        print(
            f"epoch {epoch + 1}/{options.epochs}: held out {held_out:.2%}, {time.monotonic() - start:.0f} s", flush=True
        )

    print(f"test set: {accuracy(classifier, data.test):.2%}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in classifier.state_dict().items()}, options.out)


if __name__ == "__main__":
    main()
