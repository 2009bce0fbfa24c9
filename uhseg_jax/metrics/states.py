"""What the states of all metrics share: they hold integers, so they add exactly.

A state is a frozen dataclass of int64 arrays. Counts of pixels are integers anyway;
sums of scores are kept in fixed point. Merging is therefore plain addition that no
order can change in the last digit: images, batches, devices and hosts may be combined
as they come, and a run that was resumed ends in the same numbers.
"""

from collections.abc import Iterable
from typing import TypeVar

import jax
import numpy as np

from uhseg_jax.types import Float, Int

__all__ = [
    "Additive",
    "from_fixed_point",
    "from_words",
    "mean",
    "merge",
    "merge_all",
    "ratio",
    "subtract",
    "to_fixed_point",
    "to_words",
]

# Rounded to 1e-12; 63 bits hold eight million images of scores in [0, 1], and two
# hundred thousand of the largest Variation of Information (about 34 bits).
_FRACTION_BITS = 40

State = TypeVar("State")
Numbers = np.ndarray | np.number | float | int


def to_fixed_point(
    values: Numbers, *, bits: int = _FRACTION_BITS
) -> Int[np.ndarray, "*s"]:
    """Numbers as int64 multiples of 2^-bits, whose sums do not depend on the order."""
    return np.asarray(np.rint(np.asarray(values, np.float64) * 2**bits), np.int64)


def from_fixed_point(
    values: Int[np.ndarray, "*s"], *, bits: int = _FRACTION_BITS
) -> Float[np.ndarray, "*s"]:
    """The float64 numbers that `to_fixed_point` was given, to 2^-bits."""
    return np.asarray(np.asarray(values, np.float64) / 2**bits)


def ratio(parts: Numbers, wholes: Numbers) -> Float[np.ndarray, "*s"]:
    """``parts / wholes`` in float64, NaN where the whole is zero (nothing to judge)."""
    parts, wholes = np.asarray(parts, np.float64), np.asarray(wholes, np.float64)
    empty = wholes == 0
    return np.asarray(np.where(empty, np.nan, parts / np.where(empty, 1, wholes)))


def mean(
    totals: Int[np.ndarray, "*s"], count: Int[np.ndarray, ""]
) -> Float[np.ndarray, "*s"]:
    """Means of fixed-point sums over ``count`` images; NaN if there are none."""
    return ratio(from_fixed_point(totals), count)


def merge(first: State, second: State) -> State:
    """The state of the images of both.

    Raises:
      ValueError: the states count different things (classes, budgets, scales).
    """
    return _combine(np.add, first, second)


def subtract(total: State, part: State) -> State:
    """The state of the images of a total that are not of one of its parts.

    Raises:
      ValueError: as `merge` does.
    """
    return _combine(np.subtract, total, part)


class Additive:
    """A state that merges with others of its kind."""

    def merge(self: State, other: State) -> State:
        """The state of the images of both."""
        return merge(self, other)


def merge_all(states: Iterable[State]) -> State:
    """The state of the images of all; at least one state is needed."""
    total, *others = states
    for state in others:
        total = merge(total, state)
    return total


def to_words(state: State) -> Int[np.ndarray, " w"]:
    """A state as one int32 vector, to be gathered from hosts.

    jax arrays would cut int64 to int32 (unless x64 is enabled): each number travels as
    two words.
    """
    leaves = [np.ravel(np.asarray(x, np.int64)) for x in jax.tree.leaves(state)]
    return np.concatenate(leaves).view(np.int32)


def from_words(words: Int[np.ndarray, " w"], like: State) -> State:
    """The state that `to_words` was given; ``like`` is one of the same shapes."""
    numbers = np.ascontiguousarray(words, np.int32).view(np.int64)
    leaves, structure = jax.tree.flatten(like)
    sizes = [np.size(x) for x in leaves]
    if sum(sizes) != numbers.size:
        raise ValueError(
            f"expected {2 * sum(sizes)} words for a state {_summary(like)}, but got "
            f"{words.size}; both hosts must start from the same `empty(...)`."
        )
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    return jax.tree.unflatten(
        structure, [p.reshape(np.shape(x)) for p, x in zip(parts, leaves, strict=True)]
    )


def _combine(operation: np.ufunc, first: State, second: State) -> State:
    shapes = [
        (jax.tree.structure(state), [np.shape(x) for x in jax.tree.leaves(state)])
        for state in (first, second)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "only states of the same metric with the same classes and settings can be "
            f"merged, but one is {_summary(first)} and the other {_summary(second)}; "
            "start both from the same `empty(...)`."
        )
    return jax.tree.map(lambda x, y: np.asarray(operation(x, y)), first, second)


def _summary(state: object) -> str:
    shapes = ", ".join(str(list(np.shape(x))) for x in jax.tree.leaves(state))
    return f"{type(state).__name__} of shapes {shapes}"
