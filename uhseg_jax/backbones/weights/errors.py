"""The one error of weights that could not be had or must not be used."""


class WeightsError(RuntimeError):
    """Weights could not be fetched, read, trusted, converted or kept.

    The message is one sentence or more for the person at the keyboard: what was
    expected, what was found, what to do.
    """
