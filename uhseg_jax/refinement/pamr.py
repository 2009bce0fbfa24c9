"""Pixel-adaptive mask refinement: labels move to pixels nearby of a similar colour.

Araslanov & Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020,
section 3.3 (PAMR), with the constants of the authors' code.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from uhseg_jax import config_checks
from uhseg_jax.types import Array, Bool, Float, Int, UInt8

__all__ = ["PamrConfig", "affinities", "refine"]

# Sums of squares of so many colour differences fit in int32.
_MOST_DILATIONS = 16


@dataclasses.dataclass(frozen=True)
class PamrConfig:
    """Constants of pixel-adaptive mask refinement.

    Attributes:
      num_iterations: how often every pixel takes the mean of its neighbours.
      dilations: distances in pixels of the 8 neighbours of a pixel, once for each.
      width: colour difference at which the affinity falls by a factor e, in standard
        deviations of the colours around the pixel.
    """

    num_iterations: int = 10
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    width: float = 0.1

    def __post_init__(self) -> None:
        """Checks the fields.

        Raises:
          ValueError: one of them is not what it has to be; the message says which.
        """
        config_checks.check_fields(
            self,
            {
                "num_iterations": config_checks.whole(0),
                "dilations": config_checks.WHOLES,
                "width": config_checks.real("a number above 0", lambda x: x > 0),
            },
        )
        if min(self.dilations) < 1 or len(self.dilations) > _MOST_DILATIONS:
            raise ValueError(
                f"dilations must be at most {_MOST_DILATIONS} distances of at least 1 "
                f"pixel, but are {self.dilations}."
            )


def refine(
    probabilities: Float[Array, "H W k"],
    image: UInt8[Array, "H W 3"],
    config: PamrConfig,
    *,
    mask: Bool[Array, "H W"] | None = None,
) -> Float[Array, "H W k"]:
    """Gives each pixel the mean of its neighbours' labels, again and again.

    Args:
      probabilities: of the k labels at every pixel.
      image: RGB colours.
      config: the constants.
      mask: the pixels of the image; all, if None. The others have no influence, and
        come out as they went in; so does a pixel without a neighbour.

    Returns:
      The refined probabilities. They sum to one where those of the neighbours did.
    """
    valid = jnp.ones(image.shape[:2], bool) if mask is None else mask
    weights = affinities(image, valid, config)
    alone = jnp.max(weights, axis=0)[..., None] == 0
    shifts = _shifts(config.dilations)

    def body_fn(_: Array, current: Float[Array, "H W k"]) -> Float[Array, "H W k"]:
        # Written out once: fused with the windows, each would pad for itself.
        around = jax.lax.optimization_barrier(_pad(current, config.dilations))
        shares = (
            weight[..., None] * _window(around, shift, current.shape)
            for weight, shift in zip(weights, shifts, strict=True)
        )
        return jnp.where(alone, current, functools.reduce(jnp.add, shares))

    # Zeros in place of whatever lies outside: a weight of 0 does not silence a NaN.
    inside = jnp.where(valid[..., None], probabilities, 0)
    refined = jax.lax.fori_loop(0, config.num_iterations, body_fn, inside)
    return jnp.where(valid[..., None], refined, probabilities)


def affinities(
    image: UInt8[Array, "H W 3"], valid: Bool[Array, "H W"], config: PamrConfig
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
    # Whole numbers: the sums of squares are exact, and 0 only where colours are equal.
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
