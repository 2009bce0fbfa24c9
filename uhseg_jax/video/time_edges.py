"""Which superpixels of neighbouring frames are joined, and how much that counts."""

import numpy as np

from uhseg_jax.types import Float, Int, Integer

__all__ = ["overlaps", "time_lengths"]

_LEAST_SHARE = 0.25


def overlaps(
    labels: Integer[np.ndarray, "H W"], others: Integer[np.ndarray, "H W"]
) -> tuple[Int[np.ndarray, "e 2"], Int[np.ndarray, " e"]]:
    """The pairs of labels that share pixels, sorted, and how many they share.

    At least a quarter of the smaller of the two: where an object moves, its border
    sweeps over slivers of what lies behind it, and these would join the two.

    Args:
      labels: of the pixels of a frame, from 0.
      others: of the same pixels in another frame.
    """
    span = int(others.max()) + 1
    keys = labels.astype(np.int64) * span + others
    found, shared = np.unique(keys, return_counts=True)
    first, second = np.divmod(found, span)
    sizes = np.bincount(labels.ravel()), np.bincount(others.ravel())
    smaller = np.minimum(sizes[0][first], sizes[1][second])
    many = shared >= _LEAST_SHARE * smaller
    pairs = np.stack([first, second], axis=1).astype(np.int32)
    return pairs[many], shared[many]


def time_lengths(
    shared: Integer[np.ndarray, " e"], num_pixels: int, spatial: float
) -> Float[np.ndarray, " e"]:
    """Lengths of the borders between two frames, float32.

    A superpixel touches the next frame with all its pixels, and its neighbours with
    those at its border. In the mean contrast along the border of two tubes the two
    should count alike: where all pairs that share pixels are joined (`overlaps`), the
    lengths between two frames add up to those within one.

    Args:
      shared: pixels that two superpixels share.
      num_pixels: of a frame.
      spatial: sum of the lengths of the borders within a frame.
    """
    # Frames of one superpixel each touch all the same.
    return (shared * (max(spatial, 1.0) / num_pixels)).astype(np.float32)
