"""The one error of weights that could not be had or must not be used."""


class WeightsError(RuntimeError):
    """Weights could not be fetched, read, trusted, converted or kept.

    The message is one sentence or more for the person at the keyboard: what was
    expected, what was found, what to do.
    """


def reason_of(error: Exception) -> str:
    """What an error of a library says, on one line and without a final stop.

    Storage drivers, HTTP clients and parsers of damaged files have no common type of
    error: all are caught, and said within a sentence of ours.
    """
    return " ".join(str(error).split())[:500].rstrip(".") or type(error).__name__
