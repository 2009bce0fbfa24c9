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

from uhseg_jax.interpolation import (
    MARGIN,
    NUM_TAPS,
    Taps,
    read_taps,
    read_windows,
    with_margin,
)
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Float, Int, UInt8

__all__ = ["LeafEvidence", "joint_weights", "leaf_prototypes", "log_probabilities"]

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
class LeafEvidence:
    """What the patch grid says about the leaf of any pixel.

    Attributes:
      products: ``[h + 4, w + 4, k]``, unit features times prototypes, the border
        repeated.
      lengths: ``[h + 1, w + 1, 4, 4, 4, 4]``, products ``[r, c, a, a', b, b']`` of the
        features at ``(r + a, c + b)`` and ``(r + a', c + b')`` of the padded grid.
      members: ``[h + 4, w + 4, k]``, 1 for the leaf of each patch and 0 for the others.
    """

    products: Float[Array, "h4 w4 k"]
    lengths: Float[Array, "h1 w1 4 4 4 4"]
    members: Float[Array, "h4 w4 k"]

    @classmethod
    def from_features(
        cls, features: Float[Array, "h w d"], slots: Int[Array, "h w"], num_slots: int
    ) -> "LeafEvidence":
        """From the features of a grid and the leaf of each patch."""
        h, w, d = features.shape
        units = numerics.normalize_rows(features.reshape(h * w, d))
        prototypes = leaf_prototypes(units, slots.reshape(h * w), num_slots)
        products = numerics.matmul(units, prototypes.T).reshape(h, w, num_slots)
        lengths = _window_products(with_margin(units.reshape(h, w, d)))
        members = jax.nn.one_hot(slots, num_slots, dtype=units.dtype)
        return cls(with_margin(products), lengths, with_margin(members))

    def cosines(self, rows: Taps, columns: Taps) -> Float[Array, "H W k"]:
        """v_i . u_j at pixels in rows and columns."""
        # Squared length: the same weights twice, first along rows, then columns.
        pairs = rows.weights[:, :, None] * rows.weights[:, None, :]
        squares = _einsum("yab,ywabcd->ywcd", pairs, self.lengths[rows.first + MARGIN])
        pairs = columns.weights[:, :, None] * columns.weights[:, None, :]
        squares = _einsum("xcd,yxcd->yx", pairs, squares[:, columns.first + MARGIN])
        products = read_taps(self.products, rows, columns)
        return products * numerics.inverse_sqrt(squares)[:, :, None]

    def shares(self, rows: Taps, columns: Taps) -> Float[Array, "H W k"]:
        """The interpolated share of each leaf among the patches around a pixel."""
        return read_taps(self.members, rows, columns)

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


def log_probabilities(
    cosines: Float[Array, "H W k"],
    shares: Float[Array, "H W k"],
    num_leaves: Int[Array, ""],
    *,
    temperature: float,
    locality: float,
) -> Float[Array, "H W k"]:
    """The logarithm of p_ij, with a prior on the leaves that are near.

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
    return jax.nn.log_softmax(jnp.where(present, logits, lowest), axis=-1)


def _window_products(
    padded: Float[Array, "h4 w4 d"],
) -> Float[Array, "h1 w1 4 4 4 4"]:
    """Products of all pairs of features in every window of 4 x 4 patches."""
    rows, columns, _ = padded.shape
    h, w = rows - NUM_TAPS + 1, columns - NUM_TAPS + 1

    def shifted(down: int, right: int) -> Float[Array, "h4 w4"]:
        """Every feature times the one so many patches below and to the right of it.

        Products over the edge wrap around; no window holds such a pair.
        """
        other = jnp.roll(padded, (-down, -right), axis=(0, 1))
        return jnp.sum(padded * other, axis=-1)

    reach = range(-NUM_TAPS + 1, NUM_TAPS)
    maps = {
        (down, right): shifted(down, right)
        for down in range(NUM_TAPS)
        for right in reach
        if (down, right) >= (0, 0)
    }

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
