"""What processes that stream shares of one data set tell each other.

All they have is a callable that adds a pytree of numpy arrays over the processes.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from uhseg_jax.types import Float

__all__ = ["Hosts", "Reduce", "alone"]

Reduce = Callable[[Any], Any]

_PIECE = 16_384  # rows sent at once


def alone(tree: Any) -> Any:
    """The sum over one process: the tree itself."""
    return tree


class Hosts:
    """The processes behind a `Reduce`.

    Attributes:
      count: processes that add up; 1 for `alone`, however many JAX knows.
      index: of this one.
    """

    def __init__(self, reduce: Reduce):
        self._reduce = reduce
        self.count = int(reduce({"processes": np.ones((), np.int64)})["processes"])
        self.index = jax.process_index() if self.count > 1 else 0
        if self.count not in (1, jax.process_count()):
            raise ValueError(
                f"reduce adds over {self.count} processes, but jax.distributed has "
                f"{jax.process_count()}; it must add over all of them, or be left out."
            )

    def add(self, tree: Any) -> Any:
        """The sum of every process's tree of numpy arrays."""
        tree = jax.tree.map(np.asarray, tree)
        return tree if self.count == 1 else self._reduce(tree)

    def gather(self, array: np.ndarray) -> np.ndarray:
        """The arrays of all processes, of one shape, in the order of their numbers."""
        everything = np.zeros((self.count, *array.shape), array.dtype)
        everything[self.index] = array
        return self.add({"gathered": everything})["gathered"]

    def together(self, action: Callable[[], Any]) -> Any:
        """Runs an action of which every process must know whether it failed.

        Raises:
          RuntimeError: it failed in another process.
          Exception: what it raised in this one.
        """
        if self.count == 1:
            return action()
        failure: Exception | None = None
        outcome = None
        try:
            outcome = action()
        except Exception as error:  # the others must not wait for ever
            failure = error
        failed = self.gather(np.asarray(failure is not None, np.int64))
        if failure is not None:
            raise failure
        if failed.any():
            raise RuntimeError(
                f"k-means: process {int(np.argmax(failed))} failed; see its message."
            )
        return outcome

    def lowest(
        self,
        keys: Float[np.ndarray, " s"],
        rows: Float[np.ndarray, "s d"],
        size: int,
    ) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, "r d"]]:
        """The rows of the smallest keys among those of all processes.

        Args:
          keys: of this process's rows, at most ``size``.
          rows: float32; of a process without any, of any d.
          size: how many are wanted.

        Returns:
          Keys and rows, by process and then as they were given; the same everywhere.
        """
        if self.count == 1 and len(keys) <= size:
            return keys, rows
        padded = np.full(size, np.inf)
        padded[: len(keys)] = keys
        all_keys = self.gather(padded).reshape(-1)
        d = int(self.gather(np.asarray(rows.shape[1], np.int64)).max())
        order = np.argsort(all_keys, kind="stable")[:size]
        order = np.sort(order[np.isfinite(all_keys[order])])
        chosen = np.empty((len(order), d), np.float32)
        for start in range(0, len(order), _PIECE):
            wanted = order[start : start + _PIECE]
            piece = np.zeros((len(wanted), d), np.float32)
            mine = wanted // size == self.index
            if mine.any():
                piece[mine] = rows[wanted[mine] % size]
            chosen[start : start + _PIECE] = self.add({"rows": piece})["rows"]
        return all_keys[order], chosen
