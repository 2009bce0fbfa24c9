"""Rows that arrive in pieces of any size, dealt into batches of one static shape.

The data is a callable that starts a pass and yields arrays ``[n_i, d]``. Only the rows
and their order count: they are packed into tiles of `TILE` rows by their place in the
stream, so nothing computed tile by tile depends on where the pieces were cut.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.types import Float, Int

__all__ = ["TILE", "Batch", "Lowest", "Pass", "deal", "reservoir"]

TILE = 4096  # rows; larger: fewer sums to fetch; smaller: less padding

Pass = Callable[[], Iterable[Any]]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Consecutive rows of a stream; memory that the batch after the next reuses.

    Attributes:
      tiles: float32 ``[t, TILE, d]``; what lies behind the rows is finite.
      sizes: int32 ``[t]``, rows in every tile; all full but the last that has any.
    """

    tiles: Float[np.ndarray, "t rows d"]
    sizes: Int[np.ndarray, " t"]

    @property
    def rows(self) -> Float[np.ndarray, "n d"]:
        """The rows without the padding, ``[n, d]``."""
        flat = self.tiles.reshape(-1, self.tiles.shape[-1])
        return flat[: int(self.sizes.sum())]


def deal(batches: Pass, rows_per_batch: int, *, num_tiles: int) -> Iterator[Batch]:
    """One pass over the data in batches of one shape.

    Args:
      batches: starts a pass; see the module.
      rows_per_batch: rows of every batch but the last, at most ``num_tiles * TILE``.
      num_tiles: tiles of a batch.

    Yields:
      The rows in their order.

    Raises:
      ValueError: a piece is no ``[n, d]``, has another d than the first, or holds a
        value that is not finite; the message names the piece.
    """
    buffers: list[np.ndarray] = []
    turn = filled = 0
    for number, piece in enumerate(batches()):
        rows = _checked(piece, number, buffers[0].shape[-1] if buffers else None)
        if not buffers:
            shape = (num_tiles, TILE, rows.shape[1])
            # Two: one is filled while the other is computed with.
            buffers = [np.zeros(shape, np.float32) for _ in range(2)]
        while len(rows):
            flat = buffers[turn].reshape(-1, rows.shape[1])
            taken = min(len(rows), rows_per_batch - filled)
            flat[filled : filled + taken] = rows[:taken]
            rows, filled = rows[taken:], filled + taken
            if filled == rows_per_batch:
                yield _batch(buffers[turn], filled)
                turn, filled = 1 - turn, 0
    if filled:
        yield _batch(buffers[turn], filled)


def reservoir(
    batches: Pass, size: int, *, seed: int | tuple[int, ...]
) -> Float[np.ndarray, "s d"]:
    """A uniform sample of rows without replacement, in one pass.

    Every row draws a number; the rows of the smallest are the sample. So it depends on
    the seed and the order of the rows, not on where the pieces are cut.

    Args:
      batches: starts a pass; see the module.
      size: rows wanted; all if there are fewer.
      seed: of the draws.

    Returns:
      float32, in the order of the stream; ``[0, 0]`` of an empty one.

    Raises:
      ValueError: as `deal`.
    """
    return draw(batches, size, seed=seed).values()[1]


def draw(batches: Pass, size: int, *, seed: int | tuple[int, ...]) -> "Lowest":
    """The sample of `reservoir` with the numbers that the rows drew."""
    rng = np.random.default_rng(seed)
    lowest = Lowest(size)
    for batch in deal(batches, 4 * TILE, num_tiles=4):
        lowest.offer(rng.random(len(batch.rows)), batch.rows)
    return lowest


class Lowest:
    """The rows of a stream with the smallest keys; of equal keys, the first.

    Attributes:
      size: how many are kept at the most.
      seen: how many were offered.
    """

    def __init__(self, size: int):
        self.size = size
        self._kept = self.seen = 0
        self._keys = np.empty(0)
        self._places = np.empty(0, np.int64)
        self._rows = np.empty((0, 0), np.float32)
        self._worst = math.inf

    def offer(
        self, keys: Float[np.ndarray, " n"], rows: Float[np.ndarray, "n d"]
    ) -> None:
        """Takes the next rows of the stream with their keys; infinite keys never."""
        places = np.arange(self.seen, self.seen + len(keys))
        self.seen += len(keys)
        if not self._rows.size:
            self._keys = np.empty(self.size)
            self._places = np.empty(self.size, np.int64)
            self._rows = np.empty((self.size, rows.shape[1]), np.float32)
        # Of equal keys the earlier stays, so only smaller ones can get in.
        fits = np.flatnonzero(keys < self._worst)
        if not len(fits):
            return
        keys, places = keys[fits].astype(np.float64), places[fits]
        old = self._kept
        everything = np.concatenate([self._keys[:old], keys])
        order = np.lexsort((np.concatenate([self._places[:old], places]), everything))[
            : self.size
        ]
        stays = np.zeros(len(everything), bool)
        stays[order] = True
        comes = np.flatnonzero(stays[old:])
        kept = len(order)
        slots = np.concatenate([np.flatnonzero(~stays[:old]), np.arange(old, kept)])
        slots = slots[: len(comes)]
        self._keys[slots] = keys[comes]
        self._places[slots] = places[comes]
        self._rows[slots] = rows[fits[comes]]
        self._kept = kept
        if kept == self.size:
            self._worst = float(np.max(self._keys)) if kept else -math.inf

    def values(self) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s d"]]:
        """Keys and rows kept, in the order of the stream."""
        order = np.argsort(self._places[: self._kept])
        return self._keys[order], self._rows[order]


def _batch(tiles: Float[np.ndarray, "t rows d"], count: int) -> Batch:
    starts = np.arange(len(tiles)) * TILE
    return Batch(tiles, np.clip(count - starts, 0, TILE).astype(np.int32))


def _checked(piece: Any, number: int, d: int | None) -> Float[np.ndarray, "n d"]:
    if not isinstance(piece, (np.ndarray, jax.Array)):
        raise ValueError(
            f"Batch {number}: expected an array of shape [n, d], but found a "
            f"{type(piece).__name__}; yield numpy or JAX arrays."
        )
    rows = np.asarray(piece)
    number_like = jnp.issubdtype(rows.dtype, jnp.floating) or rows.dtype.kind in "iu"
    if rows.ndim != 2 or not rows.shape[1] or not number_like:
        raise ValueError(
            f"Batch {number}: expected numbers of shape [n, d], but found "
            f"{rows.dtype} of shape {list(rows.shape)}; reshape grids to rows."
        )
    if d is not None and rows.shape[1] != d:
        raise ValueError(
            f"Batch {number}: expected rows of {d} numbers as in the batches before, "
            f"but found {rows.shape[1]}; use the same features throughout."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        rows = rows.astype(np.float32, copy=False)
        # A sum is cheaper than looking at every value; only if it is not finite, look.
        suspicious = not math.isfinite(float(np.sum(rows)))
    if suspicious and not (finite := np.isfinite(rows).all(axis=1)).all():
        raise ValueError(
            f"Batch {number}: expected finite numbers, but row "
            f"{int(np.argmin(finite))} and {int(np.sum(~finite)) - 1} more of its "
            f"{len(rows)} hold NaN or infinity; leave such rows out."
        )
    return rows
