"""The tutorial's script, written the way that such tutorials are: what our preset `article` is measured against.

A plain loop over torchvision's MNIST behind a DataLoader, with nothing to speed it up and nothing to slow it down. The
losses are read at every step, for the curves that a tutorial draws, and printed now and then.

    python -m benchmarks.article_script --steps 500
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from evaluation import torchvision_without_ops  # noqa: F401  (before torchvision)

from torchvision import datasets, transforms  # isort: skip

LATENT_SIZE = 50
BATCH_SIZE = 128
LEARNING_RATE = 3e-4
PRINT_STEPS = 100


class Generator(nn.Module):
    """float32[batch, 50] -> float32[batch, 784] in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(LATENT_SIZE, 128),
            nn.LeakyReLU(0.2),
            nn.Linear(128, 256),
            nn.BatchNorm1d(256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 512),
            nn.BatchNorm1d(512),
            nn.LeakyReLU(0.2),
            nn.Linear(512, 1024),
            nn.BatchNorm1d(1024),
            nn.LeakyReLU(0.2),
            nn.Linear(1024, 784),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.model(z)


class Discriminator(nn.Module):
    """float32[batch, 784] -> the probability that an image is real, float32[batch, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(784, 512),
            nn.BatchNorm1d(512),
            nn.LeakyReLU(0.2),
            nn.Linear(512, 256),
            nn.BatchNorm1d(256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 1),
            nn.Sigmoid(),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


def data_loader(root: Path) -> DataLoader[tuple[Tensor, Tensor]]:
    """MNIST's 60,000 training images in the tutorial's scale, float32[batch, 1, 28, 28], and labels nobody reads."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1,), (0.5,))])
    dataset = datasets.MNIST(str(root), train=True, transform=transform, download=True)
    return DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True)


def train_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer_g: torch.optim.Optimizer,
    optimizer_d: torch.optim.Optimizer,
    real_images: Tensor,
    z: Tensor,
    fresh_z: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One iteration of the script.

    Args:
        generator: float32[batch, 50] to float32[batch, 784].
        discriminator: float32[batch, 784] to probabilities, float32[batch, 1].
        optimizer_g: The generator's.
        optimizer_d: The discriminator's.
        real_images: float32[batch, 1, 28, 28] or [batch, 784], in the tutorial's scale.
        z: Latents of the fakes that the discriminator learns from, float32[batch, 50].
        fresh_z: Latents of the fakes that the generator learns from.

    Returns:
        The discriminator's loss, the generator's, and what the discriminator said to the real images and to the fakes.
    """
    criterion = nn.BCELoss()
    batch_size = real_images.size(0)
    real_images = real_images.view(batch_size, -1)
    real_labels = torch.ones(batch_size, 1, device=real_images.device)
    fake_labels = torch.zeros(batch_size, 1, device=real_images.device)

    # Train the discriminator
    optimizer_d.zero_grad()
    real_output = discriminator(real_images)
    fake_output = discriminator(generator(z).detach())
    d_loss = criterion(real_output, real_labels) + criterion(fake_output, fake_labels)
    d_loss.backward()
    optimizer_d.step()

    # Train the generator
    optimizer_g.zero_grad()
    g_loss = criterion(discriminator(generator(fresh_z)), real_labels)
    g_loss.backward()
    optimizer_g.step()
    return d_loss, g_loss, real_output, fake_output


def run(
    root: Path, device: torch.device, warm_up_steps: int, steps: int | None, seconds: float | None
) -> dict[str, float]:
    """Train for so many steps, or for so long, after a warm-up that does not count."""
    torch.manual_seed(0)
    loader = data_loader(root)
    generator, discriminator = Generator().to(device), Discriminator().to(device)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=LEARNING_RATE)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=LEARNING_RATE)

    d_losses: list[float] = []
    g_losses: list[float] = []
    start, images_seen = 0.0, 0
    while True:
        for real_images, _ in loader:
            if len(d_losses) == warm_up_steps:
                start, images_seen = time.perf_counter(), 0
            real_images = real_images.to(device)
            z = torch.randn(real_images.size(0), LATENT_SIZE, device=device)
            fresh_z = torch.randn(real_images.size(0), LATENT_SIZE, device=device)
            d_loss, g_loss, _, _ = train_step(
                generator, discriminator, optimizer_g, optimizer_d, real_images, z, fresh_z
            )
            # On a GPU this waits for the step's end, so that the clock below is right.
            d_losses.append(d_loss.item())
            g_losses.append(g_loss.item())
            images_seen += real_images.size(0)
            if len(d_losses) % PRINT_STEPS == 0:
                print(f"[Step {len(d_losses)}] [D loss: {d_losses[-1]:.4f}] [G loss: {g_losses[-1]:.4f}]", flush=True)
            counted, elapsed_s = len(d_losses) - warm_up_steps, time.perf_counter() - start
            if counted > 0 and (counted == steps or (seconds is not None and elapsed_s >= seconds)):
                return {
                    "steps": counted,
                    "images": images_seen,
                    "seconds": elapsed_s,
                    "images_per_s": images_seen / elapsed_s,
                    "d_loss": d_losses[-1],
                    "g_loss": g_losses[-1],
                }


def main() -> None:
    """Run it and print a line of JSON at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.article_script", description="The tutorial's script.")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--warm-up-steps", type=int, default=20, help="steps before the clock starts")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=int, help="steps to time")
    length.add_argument("--seconds", type=float, help="or for how long")
    options = parser.parse_args()
    figures = run(options.data_dir, torch.device(options.device), options.warm_up_steps, options.steps, options.seconds)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
