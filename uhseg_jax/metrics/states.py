"""What the states of all metrics share: they hold integers, so they add exactly.

A state is a frozen dataclass of int64 arrays and, where sums do not tell enough, of
`Rows`. Counts of pixels are integers anyway; sums of scores are kept in fixed point.
Merging is therefore plain addition, or a union of rows, that no order can change in the
last digit: images, batches, devices and hosts may be combined as they come, and a run
that was resumed ends in the same numbers.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import jax
import numpy as np

from uhseg_jax.metrics.rows import Rows
from uhseg_jax.types import Float, Int

__all__ = [
    "Additive",
    "StateStack",
    "from_fixed_point",
    "from_words",
    "mean",
    "merge",
    "merge_all",
    "ratio",
    "stack",
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
    totals = list(states)
    while (
        len(totals) > 1
    ):  # in pairs: rows are copied a few times, whatever their number
        pairs = zip(totals[::2], totals[1::2], strict=False)
        totals = [merge(*pair) for pair in pairs] + totals[len(totals) // 2 * 2 :]
    return totals[0]


class StateStack(Generic[State]):
    """The states of ``n`` images, for totals of other choices of them.

    As bootstrapping makes them, by the thousand: what has to be sorted is sorted once.

    Args:
      states: at least one.

    Raises:
      ValueError: as `merge` does.
    """

    def __init__(self, states: Sequence[State]):
        first, *others = states
        for state in others:
            _require_same_kind(first, state)
        columns = zip(*map(jax.tree.leaves, states), strict=True)
        self._structure = jax.tree.structure(first)
        self._num_states = len(states)
        self._leaves = [
            _RowsStack(column)
            if isinstance(column[0], Rows)
            else np.stack([np.asarray(x, np.int64) for x in column], axis=-1)
            for column in columns
        ]

    def total(self, weights: Int[np.ndarray, " n"]) -> State:
        """The state of the images, each as often as its weight says.

        Args:
          weights: int, at least 0, one for each state.

        Raises:
          ValueError: there are others than that.
        """
        weights = np.asarray(weights, np.int64)
        if weights.shape != (self._num_states,) or (weights < 0).any():
            raise ValueError(
                f"expected {self._num_states} weights of at least 0, one for each "
                f"state, but found an array of shape {list(weights.shape)} with the "
                f"smallest {weights.min(initial=0)}."
            )
        leaves: list[Any] = [
            leaf.total(weights) if isinstance(leaf, _RowsStack) else leaf @ weights
            for leaf in self._leaves
        ]
        return jax.tree.unflatten(
            self._structure,
            [x if isinstance(x, Rows) else np.asarray(x) for x in leaves],
        )


class _RowsStack:
    """Rows of ``n`` images in one order, with the image of each."""

    def __init__(self, images: Sequence[Rows]):
        owners = np.repeat(np.arange(len(images)), [len(x.values) for x in images])
        values = np.concatenate([x.values for x in images])
        order = np.lexsort(values.T[::-1])
        counts = np.concatenate([x.counts for x in images])
        self._rows = Rows(values[order], counts[order])  # a stable sort: the same order
        self._owners = owners[order]

    def total(self, weights: Int[np.ndarray, " n"]) -> Rows:
        return self._rows.weighted(weights[self._owners])


def stack(states: Sequence[State]) -> StateStack[State]:
    """The states of images, for totals of other choices of them; see `StateStack`."""
    return StateStack(states)


def to_words(state: State) -> Int[np.ndarray, " w"]:
    """A state as one int32 vector, to be gathered from hosts.

    jax arrays would cut int64 to int32 (unless x64 is enabled): each number travels as
    two words. Rows come after their number.
    """
    return np.concatenate(
        [x for leaf in jax.tree.leaves(state) for x in _numbers(leaf)]
    ).view(np.int32)


def _numbers(leaf: Any) -> list[Int[np.ndarray, " _"]]:
    if isinstance(leaf, Rows):
        return [np.array([len(leaf)], np.int64), leaf.repeated().ravel()]
    return [np.ravel(np.asarray(leaf, np.int64))]


def from_words(words: Int[np.ndarray, " w"], like: State) -> State:
    """The state that `to_words` was given; ``like`` is one of the same kind."""
    numbers = np.ascontiguousarray(words, np.int32).view(np.int64)
    kinds, structure = jax.tree.flatten(like)
    leaves: list[Any] = []
    begin = 0
    for kind in kinds:
        if isinstance(kind, Rows):
            count, begin = int(numbers[begin : begin + 1].sum()), begin + 1
            shape: tuple[int, ...] = (max(count, 0), kind.num_columns)
        else:
            shape = np.shape(kind)
        end = begin + int(np.prod(shape))
        if end > numbers.size:
            begin = end
            break
        part = numbers[begin:end].reshape(shape)
        leaves.append(Rows(part) if isinstance(kind, Rows) else part)
        begin = end
    if begin != numbers.size:
        more = " and the rows" if any(isinstance(x, Rows) for x in kinds) else ""
        raise ValueError(
            f"expected {to_words(like).size} words{more} for a state {_summary(like)}, "
            f"but got {words.size}; both hosts must start from the same `empty(...)`."
        )
    return jax.tree.unflatten(structure, leaves)


def _combine(operation: np.ufunc, first: State, second: State) -> State:
    _require_same_kind(first, second)

    def combined(x: Any, y: Any) -> Any:
        if isinstance(x, Rows):
            return x.merge(y) if operation is np.add else x.subtract(y)
        return np.asarray(operation(x, y))

    return jax.tree.map(combined, first, second)


def _require_same_kind(first: State, second: State) -> None:
    kinds = [
        (jax.tree.structure(state), [_shape(x) for x in jax.tree.leaves(state)])
        for state in (first, second)
    ]
    if kinds[0] != kinds[1]:
        raise ValueError(
            "only states of the same metric with the same classes and settings can be "
            f"merged, but one is {_summary(first)} and the other {_summary(second)}; "
            "start both from the same `empty(...)`."
        )


def _shape(leaf: Any) -> list[int | str]:
    if isinstance(leaf, Rows):
        return ["rows", leaf.num_columns]
    return list(np.shape(leaf))


def _summary(state: object) -> str:
    shapes = ", ".join(str(_shape(x)) for x in jax.tree.leaves(state))
    return f"{type(state).__name__} of shapes {shapes}"
