"""What pictures came to at 28x28, kept by the content of their files: a folder of photos is worked through once.

It is a file in the user's cache, `$XDG_CACHE_HOME/digitforge` or `~/.cache/digitforge`, never in the folder of the
pictures, which may be read-only. Files that were renamed, moved or copied are found again; changed ones are not.
"""

import hashlib
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitforge.machine.whole_file import NotWrittenError, naming, whole_file
from training.data_sets.picture_form import form_version

DIGEST_BYTES = 32


class PictureCache:
    """Pictures uint8[28, 28] by the SHA-256 of their files.

    Args:
        folder: Whose pictures they are.
        as_is: In which form.
    """

    def __init__(self, folder: Path, as_is: bool) -> None:
        form = "as-is" if as_is else "mnist"
        name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        self.path = cache_folder() / f"pictures-{name}-{form}.npz"
        self._version = form_version()
        self._pictures: dict[bytes, NDArray[np.uint8]] = {}
        try:
            with np.load(self.path) as content:
                if str(content["version"]) == self._version:
                    pairs = zip(content["digests"], content["pictures"], strict=True)
                    self._pictures = {digest.tobytes(): picture for digest, picture in pairs}
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
            pass  # there is none, or it is of no use: it is made anew
        self._saved = set(self._pictures)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._pictures

    def __getitem__(self, digest: bytes) -> NDArray[np.uint8]:
        return self._pictures[digest]

    def __setitem__(self, digest: bytes, picture: NDArray[np.uint8]) -> None:
        self._pictures[digest] = picture

    def save(self, used: set[bytes]) -> str | None:
        """Write those that are still used, if they are others than those that lie there; or tell why it cannot be."""
        kept = sorted(used & self._pictures.keys())
        if set(kept) == self._saved:
            return None
        digests = np.frombuffer(b"".join(kept), np.uint8).reshape(-1, DIGEST_BYTES)
        pictures = np.stack([self._pictures[digest] for digest in kept]) if kept else np.empty((0, 28, 28), np.uint8)
        try:
            with naming(self.path.parent):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path) as file:
                np.savez(file, allow_pickle=False, version=np.array(self._version), digests=digests, pictures=pictures)
        except NotWrittenError as error:
            return str(error)
        return None


def cache_folder() -> Path:
    """Where this user keeps what can be made again."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "digitforge"
