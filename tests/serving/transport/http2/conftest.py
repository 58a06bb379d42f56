"""What the tests of the HTTP/2 server share."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _what_is_there_already_is_no_garbage() -> Iterator[None]:
    gc.freeze()
    yield
    gc.unfreeze()
