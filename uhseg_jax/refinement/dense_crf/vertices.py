"""Vertices of the permutohedral lattice: those around a point, and their numbers.

Adams, Baek, Davis 2010, section 3; see `permutohedral`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Float, Int, Integer

__all__ = ["NO_KEY", "VertexKeys", "corners_of", "stack"]

# Stands for no vertex; sorts after all keys.
NO_KEY = np.uint32(0xFFFFFFFF)


@pytree_dataclass
class VertexKeys:
    """Numbers in 32 bits, the keys, for the vertices near a box of points.

    The d + 1 coordinates of a vertex are integers that sum to zero and leave one
    remainder by d + 1. In quotients, each is a multiple of one dimension of the points
    less a share of the coordinates after it; with that share added back it has only as
    many values as that dimension is wide. Early dimensions make the leading digits.

    Attributes:
      low, high: bounds of the points.
      least: int32, the least value of every digit.
      sizes: uint32, how many values it has.
    """

    low: Float[Array | np.ndarray, " d"]
    high: Float[Array | np.ndarray, " d"]
    least: Int[Array | np.ndarray, " d"]
    sizes: Integer[Array | np.ndarray, " d"]

    @classmethod
    def around(cls, low: Sequence[float], high: Sequence[float]) -> VertexKeys:
        """Those for points between two bounds.

        Raises:
          ValueError: there are too many vertices near the box.
        """
        d = len(low)
        # A vertex is less than d + 1 from the points of its simplex in a coordinate,
        # and so is its share; the rest is the remainder and rounding.
        margin = 4
        lows, sizes = [], []
        for j, scale in enumerate(_scales(d).tolist(), 1):
            least, most = (-j * scale * x[j - 1] / (d + 1) for x in (high, low))
            lows.append(math.floor(least) - margin)
            sizes.append(math.ceil(most) + margin - lows[-1] + 1)
        if (d + 1) * math.prod(sizes) >= int(NO_KEY):
            widths = (f"{b - a:.4g}" for a, b in zip(low, high, strict=True))
            raise ValueError(
                "expected points whose lattice has fewer than 2^32 vertices, but these "
                f"range over {', '.join(widths)} standard deviations; raise the "
                "standard deviations, or filter a smaller image."
            )
        return cls(
            low=np.asarray(low, np.float32),
            high=np.asarray(high, np.float32),
            least=np.asarray(lows, np.int32),
            sizes=np.asarray(sizes, np.uint32),
        )

    def pack(self, coordinates: Sequence[Int[Array, "..."]]) -> Array:
        """The key of a vertex; `NO_KEY` if it is not near the box."""
        d = self.least.shape[0]
        remainder = coordinates[0] % (d + 1)
        key = remainder.astype(jnp.uint32)
        radix = jnp.uint32(d + 1)
        sizes = jnp.asarray(self.sizes)
        inside = jnp.ones(remainder.shape, bool)
        tail = jnp.zeros_like(remainder)
        for j in range(d, 0, -1):
            digit = (coordinates[j] - remainder) // (d + 1)
            digit = digit + tail // ((j + 1) * (d + 1)) - self.least[j - 1]
            inside = inside & (digit >= 0) & (digit.astype(jnp.uint32) < sizes[j - 1])
            key = key + digit.astype(jnp.uint32) * radix
            radix = radix * sizes[j - 1]
            tail = tail + coordinates[j]
        return jnp.where(inside, key, NO_KEY)

    def unpack(self, key: Array) -> list[Int[Array, "..."]]:
        """The d + 1 coordinates of a vertex."""
        d = self.least.shape[0]
        remainder = (key % np.uint32(d + 1)).astype(jnp.int32)
        key = key // np.uint32(d + 1)
        tail = jnp.zeros_like(remainder)
        coordinates = []
        for j in range(d, 0, -1):
            size = self.sizes[j - 1]
            digit = (key % size).astype(jnp.int32) + self.least[j - 1]
            key = key // size
            digit = digit - tail // ((j + 1) * (d + 1))
            coordinates.append(digit * (d + 1) + remainder)
            tail = tail + coordinates[-1]
        return [-tail, *coordinates[::-1]]


def _scales(d: int) -> np.ndarray:
    """Factors of the dimensions with which the filter has unit variance (section 3)."""
    i = np.arange(1, d + 1)
    return (math.sqrt(2 / 3) * (d + 1) / np.sqrt(i * (i + 1))).astype(np.float32)


def corners_of(box: VertexKeys, points: Float[Array, "n d"]) -> tuple[Array, Array]:
    """Keys and weights of the vertices of every point's simplex, ``[d + 1, n]``."""
    d = points.shape[1]
    # Onto the plane of coordinates that sum to zero.
    elevated = []
    total = jnp.zeros(points.shape[:1], points.dtype)
    for j, scale in reversed(list(enumerate(_scales(d), 1))):
        x = points[:, j - 1] * scale
        elevated.append(total - j * x)
        total = total + x
    elevated = [total, *elevated[::-1]]

    # The nearest multiples of d + 1, and the order of what is left.
    origin = []
    for x in elevated:
        up, down = (f(x / (d + 1)) * (d + 1) for f in (jnp.ceil, jnp.floor))
        origin.append(jnp.where(up - x < x - down, up, down).astype(jnp.int32))
    rest = [x - y.astype(x.dtype) for x, y in zip(elevated, origin, strict=True)]
    excess = functools.reduce(jnp.add, origin) // (d + 1)
    ranks: list[Array] = [excess] * (d + 1)
    for i in range(d + 1):
        for j in range(i + 1, d + 1):
            less = (rest[i] < rest[j]).astype(jnp.int32)
            ranks[i] = ranks[i] + less
            ranks[j] = ranks[j] + 1 - less
    # Multiples that do not sum to zero are brought back to the plane.
    wraps = [jnp.where(x < 0, d + 1, jnp.where(x > d, -d - 1, 0)) for x in ranks]
    ranks = [x + wrap for x, wrap in zip(ranks, wraps, strict=True)]
    origin = [x + wrap for x, wrap in zip(origin, wraps, strict=True)]

    rest = [
        (x - y.astype(x.dtype)) / (d + 1) for x, y in zip(elevated, origin, strict=True)
    ]
    by_rank = []
    for r in range(d + 1):
        pairs = zip(rest, ranks, strict=True)
        chosen = [jnp.where(rank == r, x, 0) for x, rank in pairs]
        by_rank.append(functools.reduce(jnp.add, chosen))
    weights = [by_rank[d - r] - by_rank[(d + 1 - r) % (d + 1)] for r in range(d + 1)]
    weights[0] = weights[0] + 1
    remainder = jnp.arange(d + 1, dtype=jnp.int32)[:, None]
    corners = [
        x + jnp.where(rank <= d - remainder, remainder, remainder - d - 1)
        for x, rank in zip(stack(origin)[:, None], stack(ranks)[:, None], strict=True)
    ]
    return box.pack(corners), stack(weights)


def stack(arrays: Sequence[Array]) -> Array:
    """As `jnp.stack`, which XLA fuses, on CPUs computing every part many times."""
    stacked = jnp.zeros((len(arrays), *arrays[0].shape), arrays[0].dtype)
    for i, x in enumerate(arrays):
        stacked = stacked.at[i].set(x)
    return stacked
