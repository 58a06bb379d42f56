"""How large images are and may be. Apart from their decoding, which the parent of the workers never loads."""

SIDE = 28
RAW_BYTES = SIDE * SIDE
MAX_PIXELS = 25_000_000  # of a file: a camera's 24 million fit
