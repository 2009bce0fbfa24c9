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

from uhseg_jax.refinement.label_columns import Columns, softmax
from uhseg_jax.refinement.pixel_grid import PixelGrid
from uhseg_jax.types import Array, Bool, Float, Int, UInt8
from uhseg_jax.validators import Validated, Validator, integer, real

__all__ = ["Pamr", "refine"]

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

    def __call__(self, logits: Columns, pixels: PixelGrid) -> list[Float[Array, "n c"]]:
        """The probabilities after the iterations."""
        inside = pixels.inside()
        weights = _affinities(pixels.colors, inside, pixels.width, config=self)
        return [
            _iterate(p, weights, inside, pixels.width, config=self)
            for p in softmax(logits)
        ]


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
    height, width, _ = image.shape
    n = height * width
    valid = jnp.ones((n,), bool) if mask is None else mask.reshape(n)
    columns = jnp.int32(width)
    weights = _affinities(image.reshape(n, 3), valid, columns, config=config)
    p = probabilities.reshape(n, -1)
    refined = _iterate(p, weights, valid, columns, config=config)
    return refined.reshape(probabilities.shape)


@functools.partial(jax.jit, static_argnames="config")
def _iterate(
    probabilities: Float[Array, "n k"],
    weights: Float[Array, "neighbours n"],
    valid: Bool[Array, " n"],
    width: Int[Array, ""],
    *,
    config: Pamr,
) -> Float[Array, "n k"]:
    """The iterations of `refine`, for pixels row by row."""
    isolated = jnp.max(weights, axis=0)[:, None] == 0
    offsets = [y * width + x for y, x in _shifts(config.dilations)]

    def body_fn(_: Array, current: Float[Array, "n k"]) -> Float[Array, "n k"]:
        # Written out once: fused with the neighbours, each would do so for itself.
        around = jax.lax.optimization_barrier(_twice(current))
        shares = (
            weight[:, None] * _neighbours(around, offset)
            for weight, offset in zip(weights, offsets, strict=True)
        )
        return jnp.where(isolated, current, functools.reduce(jnp.add, shares))

    # Zeros in place of whatever lies outside: a weight of 0 does not silence a NaN.
    inside = jnp.where(valid[:, None], probabilities, 0)
    refined = jax.lax.fori_loop(0, config.num_iterations, body_fn, inside)
    return jnp.where(valid[:, None], refined, probabilities)


@functools.partial(jax.jit, static_argnames="config")
def _affinities(
    colors: UInt8[Array, "n 3"],
    valid: Bool[Array, " n"],
    width: Int[Array, ""],
    *,
    config: Pamr,
) -> Float[Array, "neighbours n"]:
    """How much each pixel takes from each neighbour.

    A softmax over the neighbours. The logit is minus the difference in colour over
    ``width`` times the standard deviation of all colours around the pixel, averaged
    over the channels; its own colour counts once for every dilation, as in the authors'
    code. Neighbours beyond the border or outside ``valid`` do not count, where the
    authors repeat the pixels at the border.

    Args:
      colors: RGB of the pixels, row by row.
      valid: whether there is a pixel.
      width: pixels of a row.
      config: the constants.

    Returns:
      Weights that sum to one over the neighbours, or are all 0 for a pixel that is not
      valid or has no neighbour. Row by row through the 3 x 3 window, for one dilation
      after the other.
    """
    # Integers: the sums of squares are exact, and 0 only where colours are equal.
    colors = colors.astype(jnp.int32)
    around, there = (_twice(x) for x in (colors, valid))
    shifts = jnp.asarray(_shifts(config.dilations), jnp.int32)
    index = jnp.arange(valid.size, dtype=jnp.int32)
    column = index % width

    def compare(shift: Int[Array, " 2"]) -> tuple[Array, Array]:
        """Whether there is a neighbour, and its difference in colour."""
        offset = shift[0] * width + shift[1]
        beside, place = column + shift[1], index + offset
        here = valid & _neighbours(there, offset)
        here = here & (beside >= 0) & (beside < width)
        here = here & (place >= 0) & (place < valid.size)
        difference = _neighbours(around, offset) - colors
        return here, jnp.where(here[:, None], difference, 0)

    def add_fn(sums: tuple[Array, ...], shift: Array) -> tuple[tuple[Array, ...], None]:
        here, x = compare(shift)
        count, total, squares = sums
        return (count + here.astype(jnp.int32), total + x, squares + x * x), None

    nothing = (jnp.zeros_like(index), *[jnp.zeros_like(colors)] * 2)
    (neighbours, total, squares), _ = jax.lax.scan(add_fn, nothing, shifts)
    count = (len(config.dilations) + neighbours)[:, None]
    # n (n - 1) times the variance.
    spread = (count * squares - total * total).astype(jnp.float32)
    pairs = (count * jnp.maximum(count - 1, 1)).astype(jnp.float32)
    scale = jnp.where(spread > 0, config.width * jnp.sqrt(spread / pairs), 1)

    def logit_fn(shift: Int[Array, " 2"]) -> Float[Array, " n"]:
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


def _twice(x: Array) -> Array:
    """The array behind itself, so that neighbours at any distance can be read."""
    return jnp.concatenate([x, x])


def _neighbours(twice: Array, offset: Int[Array, ""]) -> Array:
    """What lies so far from every pixel, of an array from `_twice`.

    Beyond one end the other begins; whoever reads gives such neighbours no weight.
    """
    n = twice.shape[0] // 2
    return jax.lax.dynamic_slice_in_dim(twice, offset % n, n)
