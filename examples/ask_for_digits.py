"""Ask a server what it has, for digits, and what it holds of them.

python examples/ask_for_digits.py [HOST:PORT]
"""

import sys

from digitforge import Client, DigitforgeError


def main(address: str | None = None) -> int:
    """Print what the server answers; without an address, that of a server on this machine."""
    try:
        with Client(address) as client:
            for model in client.models():
                usual = ", the default" if model.is_default else ""
                print(f"version {model.version}{usual}: trained on {model.dataset}, {len(model.class_names)} classes")
            digits = client.generate(8, seed=7)  # the same eight images whenever they are asked for
            print(f"images {digits.images.shape} of {digits.images.dtype}, classes {digits.classes}")
            for index, score in enumerate(client.score_stream(digits.images)):
                print(f"image {index}: real with probability {score.real_probability:.4f}, {score.verdict}")
    except DigitforgeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
