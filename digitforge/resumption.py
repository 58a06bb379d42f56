"""A stream of images over as many calls as it takes: one that breaks goes on at its offset.

Every image has an address (version, seed, index), so nothing is lost and nothing comes twice.
"""

import secrets
from collections.abc import Sequence

import grpc

from digitforge.errors import DigitforgeError, error_of
from digitforge.messages import GeneratedDigits, generated_digits
from protos.digits.v1 import digits_pb2 as pb

# A call that ends like this, and has given images, is followed by another. INTERNAL is what a proxy makes of a
# connection that it cuts, DEADLINE_EXCEEDED the end of a call that is simply long.
BREAKS = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
)


class DigitStream:
    """How far a stream has come. It makes no calls: its owner does, as long as it is not complete.

    That ends: a call that breaks is followed by another only if it has given an image, and of images there are `n`.

    Args:
        n, seed, offset, digit, version: Of its first request. A missing seed is drawn here, so that all calls ask for
            the same stream.
        addresses: Of the servers, for what is raised.
    """

    def __init__(
        self, n: int, seed: int | None, offset: int, digit: int | None, version: int, addresses: Sequence[str]
    ) -> None:
        self._n, self._offset, self._digit, self._version = n, offset, digit, version
        self._seed = secrets.randbits(64) if seed is None else seed
        self._addresses = addresses
        self._given = 0  # images
        self._given_before = 0  # by the calls before the present one
        self._generator = ""  # that made them: the hash of its file, where a server tells it
        self._break: grpc.RpcError | None = None  # what ended the call before, though not all was there

    @property
    def is_complete(self) -> bool:
        """All images are here."""
        return self._given == self._n and self._given > 0  # none is more than a server gives: it is asked all the same

    @property
    def has_begun(self) -> bool:
        """An image is here. There was a server, so it is worth waiting until it, or another, is there again."""
        return self._given > 0

    def request(self) -> pb.GenerateRequest:
        """What the next call is to ask for: the rest, of the version that the first image is of.

        Raises:
            ValueError: A number is not within its field's type.
        """
        self._given_before = self._given
        return pb.GenerateRequest(
            seed=self._seed,
            n=self._n - self._given,
            offset=self._offset + self._given,
            digit=self._digit,
            version=self._version,
        )

    def take(self, response: pb.GenerateResponse) -> GeneratedDigits:
        """The next images.

        Raises:
            DigitforgeError: They are not the next ones.
        """
        due, count = self._offset + self._given, len(response.images)
        if response.offset != due or count > self._n - self._given:
            raise self._broken_promise(
                f"the server gave {count} images from offset {response.offset}, where {self._n - self._given} from "
                f"{due} were due"
            )
        generator = response.generator_sha256 or self._generator
        if self._generator and generator != self._generator:
            raise self._broken_promise(
                f"after {self._given} images another model is version {response.version}: the SHA-256 of its file is "
                f"{generator}, and was {self._generator}"
            )
        self._given += count
        self._version, self._generator = response.version, generator
        return generated_digits(response)

    def end(self, error: grpc.RpcError | None = None) -> None:
        """The present call has ended, by an error or by itself.

        Raises:
            DigitforgeError: No other call is to follow it, and images are missing.
        """
        if self.is_complete:
            return
        code = error.code() if error is not None else None  # type: ignore[attr-defined]
        if self._given > self._given_before and (error is None or code in BREAKS):
            self._break = error
            return
        if error is None:
            raise self._broken_promise(f"the server ended a stream of {self._n} images after {self._given}")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and self._break is not None:
            error = self._break  # what it was waited for says less than why
        raise error_of(error, self._addresses) from error

    def _broken_promise(self, problem: str) -> DigitforgeError:
        return DigitforgeError(grpc.StatusCode.INTERNAL, problem, addresses=self._addresses)
