"""Rotary positions of a patch grid: angles by which queries and keys are rotated.

Su et al., "RoFormer" (2021), on two axes as in DINOv3 (Siméoni et al. 2025, section
3.2). A patch has the coordinates (y, x) of its centre, each scaled to [-1, 1] over the
grid, so any grid spans the same range. Pair j of a head's channels is rotated by
2 pi y / p or 2 pi x / p with the period ``p = 100^(4 j / c)``. The ``c`` channels of a
head make ``c / 2`` pairs, of channel i with channel ``i + c / 2``: the first half of
them for y, the others for x, j from 0 in either half. Class token and registers are
not rotated.

``"rotary"``
    The periods as the formula gives them, in float32: DINOv3 in transformers.
``"rotary_bfloat16"``
    The periods rounded to bfloat16, as the weight files of facebookresearch hold them
    (``rope_embed.periods``), which is up to 0.2 % of a period.
"""

from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np

from uhseg_jax.types import Array, Float

__all__ = [
    "ROTARY_RULES",
    "RotaryRule",
    "rotary_angles",
    "rotary_sin_cos",
    "rotate_patches",
]

RotaryRule = Literal["rotary", "rotary_bfloat16"]
ROTARY_RULES: tuple[str, ...] = get_args(RotaryRule)
"""Ways in which rotary positions are computed."""

_BASE = 100.0


def rotary_angles(
    grid: tuple[int, int], head_width: int, *, rule: RotaryRule
) -> Float[np.ndarray, "patches c"]:
    """Angles of every patch, made in float64 when the model is traced.

    Args:
      grid: rows and columns of patches.
      head_width: channels of one head, a multiple of 4.
      rule: one of `ROTARY_RULES`; see the module docstring.

    Returns:
      float64 [rows * columns, head_width / 2] in radians: one for each pair of
      channels.

    Raises:
      ValueError: the rule is unknown, or 4 does not divide ``head_width``.
    """
    if rule not in ROTARY_RULES:
        raise ValueError(
            f"Unknown rotary rule {rule!r}; the known ones are "
            f"{', '.join(ROTARY_RULES)}."
        )
    if head_width % 4:
        raise ValueError(
            "Rotary positions of two axes need heads of a multiple of 4 channels; "
            f"found {head_width}."
        )
    periods = _BASE ** (4.0 * np.arange(head_width // 4) / head_width)
    if rule == "rotary_bfloat16":
        periods = periods.astype(jnp.bfloat16).astype(np.float64)
    y, x = (2.0 * (np.arange(n) + 0.5) / n - 1.0 for n in grid)
    centres = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
    angles = 2.0 * np.pi * centres[:, :, None] / periods
    return angles.reshape(len(centres), -1)


def rotary_sin_cos(
    grid: tuple[int, int], head_width: int, *, rule: RotaryRule
) -> Float[Array, "2 patches c"]:
    """Sine and cosine of `rotary_angles` in float32, once for all blocks of a model."""
    angles = rotary_angles(grid, head_width, rule=rule)
    return jnp.asarray(np.stack([np.sin(angles), np.cos(angles)]), jnp.float32)


def rotate_patches(
    tokens: Float[Array, "b n d"],
    sin_cos: Float[Array, "2 patches c"],
    *,
    heads: int,
) -> Float[Array, "b n d"]:
    """Rotates the channel pairs of the patches; the tokens before them stay.

    Args:
      tokens: queries or keys, the heads side by side in the channels; the patches are
        the last tokens.
      sin_cos: from `rotary_sin_cos`.
      heads: number of heads.

    Returns:
      Tokens of the same dtype, rotated in float32.
    """
    batch, n, width = tokens.shape
    num_prefix_tokens = n - sin_cos.shape[1]
    sine, cosine = sin_cos[:, None, :, None, :]
    patches = tokens[:, num_prefix_tokens:].astype(jnp.float32)
    patches = patches.reshape(
        batch, n - num_prefix_tokens, heads, 2, width // heads // 2
    )
    first, second = patches[:, :, :, 0], patches[:, :, :, 1]
    rotated = jnp.stack(
        [first * cosine - second * sine, second * cosine + first * sine], axis=3
    )
    rotated = rotated.reshape(batch, n - num_prefix_tokens, width).astype(tokens.dtype)
    return jnp.concatenate([tokens[:, :num_prefix_tokens], rotated], axis=1)
