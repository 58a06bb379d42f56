"""What numbers the versions of a model repository: 1 to 2^32 - 1, as a message can name them.

0 in a message is the newest version, so none has it.
"""

FIRST, LAST = 1, 2**32 - 1  # the contract's fields are uint32


def version_number(folder: str) -> int | None:
    """The version in a folder of this name; None where it is none: `7` is one, but not `07`, `v7` or `4294967296`."""
    if not (folder.isascii() and folder.isdecimal()) or folder.startswith("0") or len(folder) > len(str(LAST)):
        return None
    number = int(folder)
    return number if number <= LAST else None
