"""Why an export is refused."""


class VerificationError(Exception):
    """An exported model is not what it should be; the message has the figures."""
