"""Resizing learned position embeddings to any patch grid, exactly as the papers' code.

A position embedding is trained on one square grid (37 x 37 for DINOv2). MAE's and MoCo
v3's are fixed sines and cosines, which their files hold like learned ones. On another
grid an embedding is resampled with a bicubic kernel. The map is linear and separable,
so it is two small matrices, one for rows and one for columns, made in float64 when the
model is traced. Three rules are in use, and they differ by enough to see in the
features:

``"offset"``
    DINO and DINOv2 (facebookresearch) without registers. ``n`` target patches are read
    at the scale ``(n + 0.1) / N`` rather than ``n / N``, and that scale also moves the
    sampling points: the 0.1 that was added against a rounding error is part of the
    published features. Keys kernel with A = -0.75, no antialiasing.
``"size"``
    ViT (DINO, DeiT), ViTMAE, CLIP and Dinov2 in transformers. Scale ``n / N``,
    A = -0.75, no antialiasing.
``"size_antialias"``
    DINOv2 with registers, in both code bases. Scale ``n / N``; the kernel widens when
    the grid shrinks. Torch's antialiased filter has A = -0.5, also when it enlarges.

All three return the embedding untouched on its native grid.
"""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax import interpolation
from uhseg_jax.types import Array, Float

__all__ = ["POSITION_RULES", "PositionRule", "resize_positions", "resize_weights"]

PositionRule = Literal["offset", "size", "size_antialias"]
POSITION_RULES: tuple[str, ...] = get_args(PositionRule)
"""Ways in which position embeddings are resized."""

# The published constant of the "offset" rule (`interpolate_offset` in the repository).
_OFFSET = 0.1


def _point_sampled_weights(source: int, target: int, scale: float) -> np.ndarray:
    """Four taps around each sampling point; taps outside repeat the border patch."""
    taps = interpolation.make_taps(source, target, kernel="bicubic", scale=scale)
    weights = np.zeros((target, source))
    for tap in range(interpolation.NUM_TAPS):
        patches = np.clip(taps.first + tap, 0, source - 1)
        np.add.at(weights, (np.arange(target), patches), taps.weights[:, tap])
    return weights


def _antialiased_weights(source: int, target: int) -> np.ndarray:
    """A kernel as wide as the shrinkage; cut at the border and normalised there."""
    step = source / target
    width = max(step, 1.0)
    centres = (np.arange(target) + 0.5) * step
    first = np.maximum(np.trunc(centres - 2.0 * width + 0.5), 0.0)
    last = np.minimum(np.trunc(centres + 2.0 * width + 0.5), source)
    patches = np.arange(source)
    weights = interpolation.cubic((patches + 0.5 - centres[:, None]) / width, a=-0.5)
    # Torch rounds the window to whole patches, which can drop one within the kernel.
    inside = (patches >= first[:, None]) & (patches < last[:, None])
    weights = np.where(inside, weights, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def resize_weights(source: int, target: int, *, rule: PositionRule) -> np.ndarray:
    """The matrix that resamples one axis of a position grid.

    Args:
      source: patches of the trained grid along the axis.
      target: patches of the wanted grid along the axis.
      rule: one of `POSITION_RULES`; see the module docstring.

    Returns:
      float64 [target, source]; every row sums to one.

    Raises:
      ValueError: the rule is unknown, or a size is not positive.
    """
    if source < 1 or target < 1:
        raise ValueError(
            f"A position grid needs at least one patch along each axis; cannot resize "
            f"{source} to {target} patches."
        )
    match rule:
        case "offset":
            return _point_sampled_weights(source, target, (target + _OFFSET) / source)
        case "size":
            return _point_sampled_weights(source, target, target / source)
        case "size_antialias":
            return _antialiased_weights(source, target)
    raise ValueError(
        f"Unknown position rule {rule!r}; the known ones are "
        f"{', '.join(POSITION_RULES)}."
    )


def resize_positions(
    positions: Float[Array, "rows columns d"],
    grid: tuple[int, int],
    *,
    rule: PositionRule,
) -> Float[Array, "h w d"]:
    """Resamples a grid of position embeddings.

    Args:
      positions: embeddings on the trained grid.
      grid: the wanted numbers of rows and columns; static.
      rule: how the published model resamples; see the module docstring.

    Returns:
      The embeddings on ``grid``; ``positions`` itself where the grids agree, as every
      original repository does (the offset is not applied there).

    Raises:
      ValueError: the rule is unknown, or a size is not positive.
    """
    rows, columns, _ = positions.shape
    by_row = resize_weights(rows, grid[0], rule=rule)
    by_column = resize_weights(columns, grid[1], rule=rule)
    if grid == (rows, columns):
        return positions
    return jnp.einsum(
        "hi,wj,ijd->hwd",
        jnp.asarray(by_row, positions.dtype),
        jnp.asarray(by_column, positions.dtype),
        positions,
        precision=jax.lax.Precision.HIGHEST,
    )
