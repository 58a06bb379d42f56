"""How large images are and may be. Apart from their decoding, which the parent of the workers never loads."""

SIDE = 28
BOX = 20  # pixels a side: MNIST's digits fill such a box within an image
RAW_BYTES = SIDE * SIDE
MAX_PIXELS = 25_000_000  # of a file: a camera's 24 million fit
