"""Pixel-adaptive mask refinement: labels move to pixels nearby of a similar colour.

Araslanov & Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020,
section 3.3 (PAMR).
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp

from uhseg_jax.refinement.pixel_grid import PixelGrid
from uhseg_jax.types import Array, Bool, Float, Int, UInt8
from uhseg_jax.validators import Validated, Validator, integer, real

__all__ = ["Pamr", "affinities", "refine"]

_MAX_DILATIONS = 16  # sums of squares of so many colour differences fit in int32


def _distances(values: Iterable[int]) -> tuple[int, ...]:
    distances = tuple(map(integer(1).convert, values))
    if not 1 <= len(distances) <= _MAX_DILATIONS:
        raise ValueError
    return distances


_DILATIONS = Validator(
    f"1 to {_MAX_DILATIONS} distances of at least 1 pixel", _distances
)


@dataclasses.dataclass(frozen=True)
class Pamr(Validated):
    """The refiner "pamr", with the constants of the authors' code.

    Attributes:
      num_iterations: how often every pixel takes the mean of its neighbours.
      dilations: distances in pixels of the 8 neighbours of a pixel, once for each.
      width: colour difference at which the affinity falls by a factor e, in standard
        deviations of the colours around the pixel.

    Raises:
      ValueError: a constant is out of its range; the message names it.
    """

    name: ClassVar[str] = "pamr"
    summary: ClassVar[str] = (
        "pixel-adaptive mask refinement (Araslanov & Roth, CVPR 2020)"
    )

    num_iterations: Annotated[int, integer(0)] = 10
    dilations: Annotated[tuple[int, ...], _DILATIONS] = (1, 2, 4, 8)
    width: Annotated[float, real("a number above 0", lambda x: x > 0)] = 0.1

    def __call__(
        self, log_p: Float[Array, "H W k"], pixels: PixelGrid
    ) -> Float[Array, "H W k"]:
        """The probabilities after the iterations."""
        return refine(jnp.exp(log_p), pixels.colors, self, mask=pixels.inside)


def refine(
    probabilities: Float[Array, "H W k"],
    image: UInt8[Array, "H W 3"],
    config: Pamr,
    *,
    mask: Bool[Array, "H W"] | None = None,
) -> Float[Array, "H W k"]:
    """Gives each pixel the mean of its neighbours' labels, again and again.

    Args:
      probabilities: those of the k labels at every pixel.
      image: RGB colours.
      config: the constants (static).
      mask: True where there is a pixel; everywhere if None. The rest has no influence
        and is returned unchanged; so is a pixel without a neighbour.

    Returns:
      The refined probabilities. They sum to one where those of the neighbours did.
    """
    valid = jnp.ones(image.shape[:2], bool) if mask is None else mask
    weights = affinities(image, valid, config)
    isolated = jnp.max(weights, axis=0)[..., None] == 0
    shifts = _shifts(config.dilations)

    def body_fn(_: Array, current: Float[Array, "H W k"]) -> Float[Array, "H W k"]:
        # Written out once: fused with the windows, each would pad for itself.
        around = jax.lax.optimization_barrier(_pad(current, config.dilations))
        shares = (
            weight[..., None] * _window(around, shift, current.shape)
            for weight, shift in zip(weights, shifts, strict=True)
        )
        return jnp.where(isolated, current, functools.reduce(jnp.add, shares))

    # Zeros in place of whatever lies outside: a weight of 0 does not silence a NaN.
    inside = jnp.where(valid[..., None], probabilities, 0)
    refined = jax.lax.fori_loop(0, config.num_iterations, body_fn, inside)
    return jnp.where(valid[..., None], refined, probabilities)


def affinities(
    image: UInt8[Array, "H W 3"], valid: Bool[Array, "H W"], config: Pamr
) -> Float[Array, "neighbours H W"]:
    """How much each pixel takes from each neighbour.

    A softmax over the neighbours. The logit is minus the difference in colour over
    ``width`` times the standard deviation of all colours around the pixel, averaged
    over the channels; its own colour counts once for every dilation, as in the authors'
    code. Neighbours beyond the border or outside ``valid`` do not count, where the
    authors repeat the pixels at the border.

    Returns:
      Weights that sum to one over the neighbours, or are all 0 for a pixel that is not
      valid or has no neighbour. Row by row through the 3 x 3 window, for one dilation
      after the other.
    """
    # Integers: the sums of squares are exact, and 0 only where colours are equal.
    colors = image.astype(jnp.int32)
    around, inside = (_pad(x, config.dilations) for x in (colors, valid))
    shifts = jnp.asarray(_shifts(config.dilations))

    def compare(shift: Int[Array, " 2"]) -> tuple[Array, Array]:
        """Whether there is a neighbour, and its difference in colour."""
        here = valid & _window(inside, shift, valid.shape)
        difference = _window(around, shift, image.shape) - colors
        return here, jnp.where(here[..., None], difference, 0)

    def add_fn(sums: tuple[Array, ...], shift: Array) -> tuple[tuple[Array, ...], None]:
        here, x = compare(shift)
        count, total, squares = sums
        return (count + here.astype(jnp.int32), total + x, squares + x * x), None

    nothing = (jnp.zeros_like(colors[..., 0]), *[jnp.zeros_like(colors)] * 2)
    (neighbours, total, squares), _ = jax.lax.scan(add_fn, nothing, shifts)
    count = (len(config.dilations) + neighbours)[..., None]
    # n (n - 1) times the variance.
    spread = (count * squares - total * total).astype(jnp.float32)
    pairs = (count * jnp.maximum(count - 1, 1)).astype(jnp.float32)
    scale = jnp.where(spread > 0, config.width * jnp.sqrt(spread / pairs), 1)

    def logit_fn(shift: Int[Array, " 2"]) -> Float[Array, "H W"]:
        here, x = compare(shift)
        distance = jnp.mean(jnp.abs(x).astype(jnp.float32) / scale, axis=-1)
        return jnp.where(here, -distance, -jnp.inf)

    logits = jax.lax.map(logit_fn, shifts)
    largest = jnp.where(neighbours > 0, jnp.max(logits, axis=0), 0)
    exponents = jnp.exp(logits - largest[None])
    sums = jnp.sum(exponents, axis=0)
    return exponents / jnp.where(sums > 0, sums, 1)[None]


def _shifts(dilations: tuple[int, ...]) -> list[tuple[int, int]]:
    """Rows and columns from a pixel to each of its neighbours."""
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    return [(d * y, d * x) for d in dilations for y, x in steps]


def _pad(x: Array, dilations: tuple[int, ...]) -> Array:
    """The array with a margin of zeros as wide as the farthest neighbour."""
    margin = max(dilations)
    return jnp.pad(x, [(margin, margin)] * 2 + [(0, 0)] * (x.ndim - 2))


def _window(
    padded: Array, shift: tuple[int, int] | Int[Array, " 2"], shape: tuple[int, ...]
) -> Array:
    """The neighbours at one shift, of an array that `_pad` made."""
    margin = (padded.shape[0] - shape[0]) // 2
    corner = (margin + shift[0], margin + shift[1], *[0] * (len(shape) - 2))
    return jax.lax.dynamic_slice(padded, corner, shape)
