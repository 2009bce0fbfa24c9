"""The one error of weights that could not be had or must not be used."""

from uhseg_jax.errors import SentenceError

__all__ = ["WeightsError", "reason_of"]


class WeightsError(SentenceError):
    """Weights could not be fetched, read, trusted, converted or kept."""


def reason_of(error: Exception) -> str:
    """What an error of a library says, on one line and without a final stop.

    Storage drivers, HTTP clients and parsers of damaged files have no common type of
    error: all are caught, and said within a sentence of ours.
    """
    return " ".join(str(error).split())[:500].rstrip(".") or type(error).__name__
