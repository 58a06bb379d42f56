"""What a worker and a picture process say to each other about one picture, on a stream of its own.

The process says that it has taken the job; the worker sends the file, after its length; the process answers. The worker
sends nothing before, so a job whose caller has gone costs nobody anything.
"""

import struct
from dataclasses import dataclass

TAKEN = b"T"
LENGTH = struct.Struct(">Q")
ANSWER = struct.Struct(">cI")  # its kind, and how many bytes follow
DECODED, REFUSED, FAILED = b"D", b"R", b"F"


@dataclass(frozen=True)
class Answer:
    """What came of a picture.

    Attributes:
        kind: `DECODED`: a byte that says whether it was normalised, one that says what was found, then 784 pixels;
            `REFUSED`, the picture's fault, or `FAILED`, ours: the reason, in UTF-8.
        body: See there.
    """

    kind: bytes
    body: bytes

    def pack(self) -> bytes:
        """As it is sent."""
        return ANSWER.pack(self.kind, len(self.body)) + self.body

    @classmethod
    def unpack(cls, data: bytearray) -> "Answer | None":
        """From what has come; None where that is no whole answer yet."""
        if len(data) < ANSWER.size:
            return None
        kind, size = ANSWER.unpack_from(data)
        body = bytes(data[ANSWER.size : ANSWER.size + size])
        return cls(kind, body) if len(body) == size else None
