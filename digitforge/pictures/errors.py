"""What is said of a picture that cannot be taken."""


class PictureError(Exception):
    """It is no picture, a damaged one, or one beyond a limit; the message says which, with the value and the limit."""
