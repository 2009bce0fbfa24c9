"""How similar every pixel is to every leaf, from features on the patch grid.

Rossetti & Pirri (NeurIPS 2024), boundary sharpening: features are interpolated to the
pixels and normalised, a leaf is the mean direction of its features, and

    p_ij = softmax_j(v_i . u_j / temperature).

No feature is ever interpolated. Interpolation is linear, so v_i . u_j is the
interpolated product of the patches' features with u_j, over the length of the
interpolated feature; and that length follows from the products of neighbouring
patches with one another. So a pixel costs a few taps for each leaf, whatever the
number of channels.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.interpolation import (
    MARGIN,
    NUM_TAPS,
    Taps,
    read_along,
    read_windows,
    with_margin,
)
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Float, Int, UInt8

__all__ = [
    "LeafEvidence",
    "PatchUnits",
    "RowEvidence",
    "joint_weights",
    "leaf_logits",
    "leaf_prototypes",
]

_einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
_FAR = 1e-3  # share of a leaf that none of the patches around a pixel belongs to


def leaf_prototypes(
    features: Float[Array, "n d"], slots: Int[Array, " n"], num_slots: int
) -> Float[Array, "k d"]:
    """The mean direction of the features of every leaf, of unit length.

    Args:
      features: of any length; they count by their direction.
      slots: the leaf of every feature, numbered from 0.
      num_slots: how many there may be; rows of absent ones are zero.
    """
    units = numerics.normalize_rows(features)
    sums = jax.ops.segment_sum(units, slots, num_segments=num_slots)
    return numerics.normalize_rows(sums)


@pytree_dataclass
class PatchUnits:
    """The features of a patch grid, for the evidence of any leaves.

    Attributes:
      units: the features, of unit length.
      lengths: ``[h + 1, w + 1, 4, 4, 4, 4]``, products ``[r, c, a, a', b, b']`` of the
        features at ``(r + a, c + b)`` and ``(r + a', c + b')`` of the padded grid.
    """

    units: Float[Array, "h w d"]
    lengths: Float[Array, "h1 w1 4 4 4 4"]

    @classmethod
    def of(cls, features: Float[Array, "h w d"]) -> "PatchUnits":
        """From features of any length."""
        h, w, d = features.shape
        units = numerics.normalize_rows(features.reshape(h * w, d)).reshape(h, w, d)
        return cls(units, _window_products(with_margin(units)))

    def evidence(self, slots: Int[Array, "h w"], num_slots: int) -> "LeafEvidence":
        """That of the leaves from 0, given the leaf of each patch; others are out."""
        h, w, d = self.units.shape
        flat = self.units.reshape(h * w, d)
        prototypes = leaf_prototypes(flat, slots.reshape(h * w), num_slots)
        products = numerics.matmul(flat, prototypes.T).reshape(h, w, num_slots)
        members = jax.nn.one_hot(slots, num_slots, dtype=flat.dtype)
        return LeafEvidence(with_margin(products), self.lengths, with_margin(members))


@pytree_dataclass
class LeafEvidence:
    """What the patch grid says about the leaf of any pixel.

    Attributes:
      products: ``[h + 4, w + 4, k]``, unit features times prototypes, the border
        repeated.
      lengths: as `PatchUnits` has them.
      members: ``[h + 4, w + 4, k]``, 1 for the leaf of each patch and 0 for the others.
    """

    products: Float[Array, "h4 w4 k"]
    lengths: Float[Array, "h1 w1 4 4 4 4"]
    members: Float[Array, "h4 w4 k"]

    def in_rows(self, rows: Taps, share_rows: Taps) -> "RowEvidence":
        """What it says in some rows of pixels, at any column."""
        pairs = rows.weights[:, :, None] * rows.weights[:, None, :]
        lengths = _einsum("yab,ywabcd->ywcd", pairs, self.lengths[rows.first + MARGIN])
        return RowEvidence(
            read_along(self.products, rows, 0),
            lengths,
            read_along(self.members, share_rows, 0),
        )

    def window_cosines(
        self, rows: Taps, columns: Taps, weights: Float[Array, "H W 4 4"]
    ) -> Float[Array, "H W k"]:
        """v_i . u_j, the four by four patches around a pixel weighted as given."""
        first = rows.first[:, None] + MARGIN, columns.first[None, :] + MARGIN
        squares = _einsum("yxac,yxbd,yxabcd->yx", weights, weights, self.lengths[first])
        products = read_windows(self.products, rows, columns, weights)
        return products * numerics.inverse_sqrt(squares)[:, :, None]

    def window_shares(
        self, rows: Taps, columns: Taps, weights: Float[Array, "H W 4 4"]
    ) -> Float[Array, "H W k"]:
        """The share of each leaf among four by four patches weighted as given."""
        return read_windows(self.members, rows, columns, weights)


@pytree_dataclass
class RowEvidence:
    """`LeafEvidence` interpolated along the columns of the grid.

    Attributes:
      products: of the leaves, in rows of pixels.
      lengths: ``[H, w + 1, 4, 4]``, of the pairs of columns in every window.
      members: shares of the leaves.
    """

    products: Float[Array, "H w4 k"]
    lengths: Float[Array, "H w1 4 4"]
    members: Float[Array, "H w4 k"]

    def cosines(self, columns: Taps) -> Float[Array, "H W k"]:
        """v_i . u_j at pixels in columns."""
        # Squared length: the same weights twice, along rows before, here columns.
        pairs = columns.weights[:, :, None] * columns.weights[:, None, :]
        windows = self.lengths[:, columns.first + MARGIN]
        squares = _einsum("xcd,yxcd->yx", pairs, windows)
        products = read_along(self.products, columns, 1)
        return products * numerics.inverse_sqrt(squares)[:, :, None]

    def shares(self, columns: Taps) -> Float[Array, "H W k"]:
        """The interpolated share of each leaf among the patches around a pixel."""
        return read_along(self.members, columns, 1)


def joint_weights(
    rows: Taps,
    columns: Taps,
    colors: UInt8[Array, "H W 3"],
    cell_colors: UInt8[Array, "h w 3"],
    *,
    color_sigma: float,
) -> Float[Array, "H W 4 4"]:
    """Weights, guided by the image, of the patches around each pixel; they sum to 1.

    Kopf, Cohen, Lischinski and Uyttendaele, "Joint Bilateral Upsampling", SIGGRAPH
    2007: of the four by four patches, those of another colour count less.

    Args:
      rows: taps of the rows, with weights of the distance that are not negative.
      columns: taps of the columns, likewise.
      colors: RGB of the pixels.
      cell_colors: mean RGB of the patches.
      color_sigma: distance in colour, of 255 on each channel, at which a patch's weight
        falls by exp(-1/2).
    """
    padded = with_margin(cell_colors.astype(jnp.float32))
    reach = jnp.arange(NUM_TAPS)[None, :] + MARGIN
    around = padded[
        (rows.first[:, None] + reach)[:, None, :, None],
        (columns.first[:, None] + reach)[None, :, None, :],
    ]
    differences = around - colors.astype(jnp.float32)[:, :, None, None, :]
    squares = jnp.sum(differences * differences, axis=-1)
    distance = rows.weights[:, None, :, None] * columns.weights[None, :, None, :]
    logits = jnp.log(jnp.maximum(distance, jnp.finfo(distance.dtype).tiny))
    logits = logits - squares / (2 * color_sigma**2)
    height, width = squares.shape[:2]
    # A softmax: where no patch has the pixel's colour, the nearest colours share the
    # weight.
    flat = jax.nn.softmax(logits.reshape(height, width, -1), axis=-1)
    return flat.reshape(squares.shape)


def leaf_logits(
    cosines: Float[Array, "H W k"],
    shares: Float[Array, "H W k"],
    num_leaves: Int[Array, ""],
    *,
    temperature: float,
    locality: float,
) -> Float[Array, "H W k"]:
    """Log p_ij, up to a number for each pixel, with a prior on near leaves.

    p_ij is proportional to ``exp(v_i . u_j / temperature) * share_ij ** locality``; the
    paper's formula is that of locality 0.

    Args:
      cosines: v_i . u_j.
      shares: of each leaf among the patches around the pixel.
      num_leaves: slots from there on hold no leaf; their probability is 0, and its
        logarithm very small but finite.
      temperature: of the softmax, above 0.
      locality: exponent of the shares, from 0; a leaf that is not near counts as a
        thousandth of one that is.
    """
    logits = cosines / temperature
    if locality > 0:
        logits = logits + locality * jnp.log(jnp.maximum(shares, 0) + _FAR)
    present = jnp.arange(cosines.shape[-1]) < num_leaves
    lowest = jnp.finfo(cosines.dtype).min / 4
    return jnp.where(present, logits, lowest)


def _window_products(
    padded: Float[Array, "h4 w4 d"],
) -> Float[Array, "h1 w1 4 4 4 4"]:
    """Products of all pairs of features in every window of 4 x 4 patches."""
    rows, columns, _ = padded.shape
    h, w = rows - NUM_TAPS + 1, columns - NUM_TAPS + 1

    # Every row times those up to three below it, then the diagonals of interest.
    maps = {}
    for down in range(NUM_TAPS):
        below = jnp.roll(padded, -down, axis=0)
        products = _einsum("rcd,rxd->rcx", padded, below)
        for right in range(-NUM_TAPS + 1, NUM_TAPS):
            if (down, right) >= (0, 0):
                # Products over the edge wrap around; no window holds such a pair.
                beside = (np.arange(columns) + right) % columns
                maps[down, right] = products[:, np.arange(columns), beside]

    def pair(a: int, other_a: int, b: int, other_b: int) -> Float[Array, "h1 w1"]:
        if (other_a - a, other_b - b) < (0, 0):  # the product is symmetric
            a, other_a, b, other_b = other_a, a, other_b, b
        found = maps[other_a - a, other_b - b]
        return found[a : a + h, b : b + w]

    taps = range(NUM_TAPS)
    windows = [
        pair(a, other_a, b, other_b)
        for a in taps
        for other_a in taps
        for b in taps
        for other_b in taps
    ]
    shape = (h, w, NUM_TAPS, NUM_TAPS, NUM_TAPS, NUM_TAPS)
    return jnp.stack(windows, axis=-1).reshape(shape)
