"""Rows of integers that states collect where sums do not tell enough.

Average precision needs every proposal of a set with its score. Such rows form a set
with multiplicities, kept in lexicographic order: however images were merged, the rows
are the same ones in the same order.
"""

from collections.abc import Sequence

import numpy as np

from uhseg_jax.types import Int

__all__ = ["Rows"]

_Part = tuple[Int[np.ndarray, "_ _"], Int[np.ndarray, " _"]]


class Rows:
    """Rows of ``c`` int64, each with how often it occurs, in lexicographic order.

    Merging only notes the parts, and they are sorted together when the rows are asked
    for, so that images may be merged one by one.

    Args:
      values: the rows in any order.
      counts: how often each occurs; None for once.
    """

    def __init__(
        self,
        values: Int[np.ndarray, "r c"],
        counts: Int[np.ndarray, " r"] | None = None,
    ):
        values = np.asarray(values, np.int64)
        if counts is None:
            counts = np.ones(len(values), np.int64)
        self.num_columns = values.shape[1]
        self._parts: Sequence[_Part] = (_in_order(values, counts),)

    @classmethod
    def empty(cls, num_columns: int) -> "Rows":
        """No rows."""
        return cls(np.zeros((0, num_columns), np.int64))

    @property
    def values(self) -> Int[np.ndarray, "r c"]:
        """The rows in order."""
        return self._together()[0]

    @property
    def counts(self) -> Int[np.ndarray, " r"]:
        """How often each occurs."""
        return self._together()[1]

    def __len__(self) -> int:
        """How many rows there are, each as often as it occurs."""
        return sum(int(counts.sum()) for _, counts in self._parts)

    def merge(self, other: "Rows") -> "Rows":
        """The rows of both."""
        return self._of([*self._parts, *(p for p in other._parts if len(p[0]))])

    def subtract(self, part: "Rows") -> "Rows":
        """The rows that are left without those of a part.

        Raises:
          ValueError: the part has a row more often than there is.
        """
        values = np.concatenate([self.values, part.values])
        counts = np.concatenate([self.counts, -part.counts])
        values, counts = _in_order(values, counts)
        if len(values) == 0:
            return self
        begins = np.flatnonzero(
            np.concatenate([[True], np.any(values[1:] != values[:-1], axis=1)])
        )
        left = np.add.reduceat(counts, begins)
        if (left < 0).any():
            raise ValueError(
                "only a part of what was merged can be subtracted, but rows of the "
                "part are not in the whole; subtract states that were merged into it."
            )
        chosen = left > 0
        return self._of([(values[begins[chosen]], left[chosen])])

    def repeated(self) -> Int[np.ndarray, "r c"]:
        """The rows in order, each as often as it occurs."""
        return np.repeat(self.values, self.counts, axis=0)

    def weighted(self, weights: Int[np.ndarray, " r"]) -> "Rows":
        """The rows, each as often as a weight says; those that never occur are kept.

        So totals of the same rows by many weights share one array, and its order.
        """
        return self._of([(self.values, self.counts * weights)])

    def _of(self, parts: Sequence[_Part]) -> "Rows":
        rows = Rows.empty(self.num_columns)
        rows._parts = parts
        return rows

    def _together(self) -> _Part:
        if len(self._parts) > 1:
            values, counts = (np.concatenate(x) for x in zip(*self._parts, strict=True))
            self._parts = (_in_order(values, counts),)
        return self._parts[0]


def _in_order(values: Int[np.ndarray, "r c"], counts: Int[np.ndarray, " r"]) -> _Part:
    order = np.lexsort(values.T[::-1])
    return values[order], counts[order]
