"""Lines of one pixel's width, found among their own pixels only.

Imports no JAX, as processes that score do not.
"""

import numpy as np
from jaxtyping import Bool, Int

__all__ = ["thin"]


def thin(shape: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Thins a shape until nothing changes; the same pixels as scikit-image's ``thin``.

    Guo and Hall, "Parallel thinning with two-subiteration algorithms", CACM 1989, as
    Lam, Lee and Suen, "Thinning methodologies: a comprehensive survey", PAMI 1992, and
    MATLAB's ``bwmorph`` state it. Visits the pixels of the shape alone, which take a
    twentieth of an image of boundaries.
    """
    h, w = shape.shape
    is_left = np.pad(shape, 1).astype(np.uint8)
    flat = is_left.ravel()
    around = np.array([1, -w - 1, -w - 2, -w - 3, -1, w + 1, w + 2, w + 3])
    pixels = np.flatnonzero(flat)
    before = -1
    while before != pixels.size:
        before = pixels.size
        for goes in _REMOVED:
            pattern = np.zeros(pixels.size, np.uint8)
            for bit, step in enumerate(around):
                pattern |= flat[pixels + step] << bit
            is_removed = goes[pattern]
            flat[pixels[is_removed]] = 0
            pixels = pixels[~is_removed]
    return is_left[1 : h + 1, 1 : w + 1].astype(bool)


def _removed() -> tuple[Bool[np.ndarray, " 256"], Bool[np.ndarray, " 256"]]:
    """Whether a pixel goes, by its neighbours, in the first and the second half step.

    The bits of a pattern are the neighbours in the order of the papers: x1 to the
    right, then against the clock.
    """
    x: dict[int, Int[np.ndarray, " 256"]] = {
        k: np.arange(256) >> ((k - 1) % 8) & 1 for k in range(1, 10)
    }
    corners = range(1, 5)
    crossings = sum((1 - x[2 * k - 1]) & (x[2 * k] | x[2 * k + 1]) for k in corners)
    pairs = np.minimum(
        sum(x[2 * k - 1] | x[2 * k] for k in corners),
        sum(x[2 * k] | x[2 * k + 1] for k in corners),
    )
    goes = (crossings == 1) & (pairs >= 2) & (pairs <= 3)
    first = ((x[2] | x[3] | (1 - x[8])) & x[1]) == 0
    second = ((x[6] | x[7] | (1 - x[4])) & x[5]) == 0
    return goes & first, goes & second


_REMOVED = _removed()
