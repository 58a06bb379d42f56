"""Train the evaluation's classifier anew: `python -m training.train_classifier --out FILE`.

It learns from the images that generators are fitted to, shifted, turned and scaled a little; the held-out ones tell
how it goes, the test set what came out. Afterwards every Fréchet distance is on a new scale: give the file a new
version.
"""

import argparse
import os
import time
from pathlib import Path

from safetensors.torch import save_file

from evaluation.classifier import WEIGHTS, Classifier
from evaluation.fit_classifier import EPOCHS, accuracy, fit_classifier
from evaluation.threads import keep_to_allowed_cores
from training.data import load_data_set


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the classifier that quality is measured with.")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help=f"a new file beside {WEIGHTS.name}")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"--out {options.out} exists: weights that figures were measured with are never overwritten")

    keep_to_allowed_cores()
    data = load_data_set("mnist", options.data_dir)
    start = time.monotonic()

    def report(epoch: int, classifier: Classifier) -> None:
        held_out = accuracy(classifier, data.held_out.images, data.held_out.labels)
        seconds = time.monotonic() - start
        print(f"epoch {epoch}/{options.epochs}: held out {held_out:.2%}, {seconds:.0f} s", flush=True)

    classifier = fit_classifier(data.fit.images, data.fit.labels, options.epochs, options.seed, report)
    print(f"test set: {accuracy(classifier, data.test.images, data.test.labels):.2%}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in classifier.state_dict().items()}, options.out)


if __name__ == "__main__":
    main()
