"""Train a classifier on digits as they come from a server: labelled images without end, and no data set on disk.

python examples/train_on_stream.py [--address HOST:PORT]
"""

import argparse
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from digitforge import Client

Sample = tuple[Tensor, int]


class ServedDigits(IterableDataset[Sample]):
    """Images `offset` ... of a seed's stream, each float32[28, 28] from 0 to 1, and the digit that it shows.

    Since every image has its place in the stream, a data loader's workers share them without talking to each other, and
    a run that broke off goes on at the offset where it was.

    Args:
        address: Of the server; None: on this machine.
        seed: Names the stream.
        count: How many images.
        offset: The first one's index in the stream.
    """

    def __init__(self, address: str | None, seed: int, count: int, offset: int = 0) -> None:
        self.address, self.seed, self.count, self.offset = address, seed, count, offset

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        first, end = (self.count * edge // workers for edge in (number, number + 1))
        if first == end:
            return
        with Client(self.address) as client:  # in each worker its own
            for chunk in client.generate_stream(end - first, seed=self.seed, offset=self.offset + first):
                if chunk.classes is None:
                    raise ValueError(f"version {chunk.version} has no classes to learn from")
                images = torch.tensor(chunk.images).float() / 255
                yield from zip(images, chunk.classes.tolist(), strict=True)


def main() -> None:
    """Train for one pass over the images, and tell how many are recognised before they are learned from."""
    parser = argparse.ArgumentParser(description="Train a classifier on digits as they come from a server.")
    parser.add_argument("--address", help="HOST:PORT of the server (default: on this machine)")
    parser.add_argument("--images", type=int, default=20_000, help="to learn from (default: 20000)")
    parser.add_argument("--workers", type=int, default=0, help="processes that fetch them (default: this one)")
    options = parser.parse_args()

    digits = ServedDigits(options.address, seed=7, count=options.images)
    context = "spawn" if options.workers else None  # gRPC does not come through a fork
    loader = DataLoader(digits, batch_size=100, num_workers=options.workers, multiprocessing_context=context)
    model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters())
    seen = right = 0
    for images, labels in loader:
        logits = model(images)
        seen, right = seen + len(labels), right + int((logits.argmax(dim=1) == labels).sum())
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()
        if seen % 2_000 < len(labels):
            print(f"{seen} images seen, {right} recognised")
            right = 0


if __name__ == "__main__":
    main()
