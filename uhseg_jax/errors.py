"""Errors whose messages say all there is to say."""

__all__ = ["SentenceError"]


class SentenceError(RuntimeError):
    """Something cannot be done, for a reason that lies outside the program.

    The message is one sentence or more for the person at the keyboard: what was
    expected, what was found, what to do. Where it was raised matters to nobody.
    """
