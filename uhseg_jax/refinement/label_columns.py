"""Values of any number of labels at pixels, as arrays of a few columns each.

Programs are compiled for `WIDTH` labels, whatever the number of labels: of more there
are more arrays, and the last has columns of absent labels. Wider arrays save no time:
on processors a filter takes as long for each label.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.types import Array, Float, Int

__all__ = ["WIDTH", "Columns", "best_label", "columns_of", "softmax"]

Columns = Sequence[Float[Array, "n c"]]
"""The columns of all labels, in their order."""

WIDTH = 8
"""Labels of one array."""


def columns_of(num_labels: int) -> range:
    """The first label of every array that it takes for so many."""
    return range(0, num_labels, WIDTH)


def softmax(logits: Columns) -> list[Float[Array, "n c"]]:
    """The softmax over all labels."""
    if len(logits) == 1:
        return [_softmax(logits[0])]
    largest = functools.reduce(jnp.maximum, map(_largest, logits))
    parts, sums = zip(*(_exponents(x, largest) for x in logits), strict=True)
    total = functools.reduce(jnp.add, sums)
    return [_divide(x, total) for x in parts]


def best_label(values: Sequence[Float[Array, "*s c"]]) -> Int[Array, "*s"]:
    """The label with the largest value; of several the first."""
    best = _best(values[0], None, np.int32(0))
    for index, columns in enumerate(values[1:], 1):
        best = _best(columns, best, np.int32(index * WIDTH))
    return best[1]


@jax.jit
def _best(
    values: Float[Array, "*s c"],
    before: tuple[Float[Array, "*s"], Int[Array, "*s"]] | None,
    first: Int[Array, ""],
) -> tuple[Float[Array, "*s"], Int[Array, "*s"]]:
    """The largest value and its label, of these columns and of those before."""
    label = jnp.argmax(values, axis=-1).astype(jnp.int32) + first
    value = jnp.max(values, axis=-1)
    if before is None:
        return value, label
    better = value > before[0]
    return jnp.where(better, value, before[0]), jnp.where(better, label, before[1])


_softmax = jax.jit(jax.nn.softmax)


@jax.jit
def _largest(logits: Float[Array, "n c"]) -> Float[Array, " n"]:
    return jnp.max(logits, axis=-1)


@jax.jit
def _exponents(
    logits: Float[Array, "n c"], largest: Float[Array, " n"]
) -> tuple[Float[Array, "n c"], Float[Array, " n"]]:
    exponents = jnp.exp(logits - largest[:, None])
    return exponents, jnp.sum(exponents, axis=-1)


@jax.jit
def _divide(x: Float[Array, "n c"], total: Float[Array, " n"]) -> Float[Array, "n c"]:
    return x / total[:, None]
