"""What a scored image was taken for, in the words of the contract: the same for server, client and command line."""

from enum import StrEnum


class Verdict(StrEnum):
    """What an image is. Where several hold, the last of them is said: it is asked first.

    Attributes:
        UNSPECIFIED: A refused image; or a server says what is not known here.
        REAL_DIGIT: A digit that a hand wrote.
        GENERATED: A digit that a generator made.
        NOT_ONE_DIGIT: Several digits, letters or other things.
        NOTHING_FOUND: No ink.
    """

    UNSPECIFIED = "unspecified"
    REAL_DIGIT = "real digit"
    GENERATED = "generated"
    NOT_ONE_DIGIT = "not one digit"
    NOTHING_FOUND = "nothing found"
