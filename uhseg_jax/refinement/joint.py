"""Interpolation that the image guides: cells of another colour count less.

Kopf, Cohen, Lischinski and Uyttendaele, "Joint Bilateral Upsampling", SIGGRAPH 2007.
"""

import jax
import jax.numpy as jnp

from uhseg_jax.interpolation import MARGIN, NUM_TAPS, Taps, with_margin
from uhseg_jax.types import Array, Float, UInt8

__all__ = ["joint_weights"]


def joint_weights(
    rows: Taps,
    columns: Taps,
    colors: UInt8[Array, "H W 3"],
    cell_colors: UInt8[Array, "h w 3"],
    *,
    color_sigma: float,
) -> Float[Array, "H W 4 4"]:
    """The weights of the four by four cells around each point; they sum to one.

    Args:
      rows: taps of the rows, with weights of the distance that are not negative.
      columns: taps of the columns, likewise.
      colors: RGB of the points.
      cell_colors: mean RGB of the cells.
      color_sigma: distance in colour, of 255 on each channel, at which a cell's weight
        falls by exp(-1/2).
    """
    cells = with_margin(cell_colors.astype(jnp.float32))
    reach = jnp.arange(NUM_TAPS)[None, :] + MARGIN
    around = cells[
        (rows.first[:, None] + reach)[:, None, :, None],
        (columns.first[:, None] + reach)[None, :, None, :],
    ]
    differences = around - colors.astype(jnp.float32)[:, :, None, None, :]
    squares = jnp.sum(differences * differences, axis=-1)
    distance = rows.weights[:, None, :, None] * columns.weights[None, :, None, :]
    logits = jnp.log(jnp.maximum(distance, jnp.finfo(distance.dtype).tiny))
    logits = logits - squares / (2 * color_sigma**2)
    height, width = squares.shape[:2]
    # A softmax: where no cell is of a like colour, the likest ones share the weight.
    flat = jax.nn.softmax(logits.reshape(height, width, -1), axis=-1)
    return flat.reshape(squares.shape)
