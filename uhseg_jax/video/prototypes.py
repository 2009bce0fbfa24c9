"""What is remembered of regions of a stream: ids, mean features and colours.

The memory is of a fixed size. Those that have not been seen for the longest time are
forgotten first.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from uhseg_jax.types import Float, Int

__all__ = ["Prototypes", "paired", "similarities"]


@dataclasses.dataclass(frozen=True)
class Prototypes:
    """Regions that were seen, those seen last first.

    Attributes:
      ids: each once.
      vectors: mean features, of unit length.
      colors: mean CIE Lab / 100.
      seen: number of the frame in which the region was last.
    """

    ids: Int[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n d"]
    colors: Float[np.ndarray, "n 3"]
    seen: Int[np.ndarray, " n"]

    @classmethod
    def none(cls, channels: int) -> Prototypes:
        """No region yet."""
        return cls(
            np.zeros(0, np.int32),
            np.zeros((0, channels), np.float32),
            np.zeros((0, 3), np.float32),
            np.zeros(0, np.int32),
        )

    def take(self, chosen: np.ndarray) -> Prototypes:
        """Some of them, by index or by a mask."""
        return Prototypes(**{k: v[chosen] for k, v in vars(self).items()})

    def with_seen(self, new: Prototypes, *, rate: float, most: int) -> Prototypes:
        """Those of a window beside those that are remembered.

        Args:
          new: the regions of a window.
          rate: by which features and colours of a known region move to the new ones.
          most: that are kept.
        """
        places = {int(x): i for i, x in enumerate(self.ids)}
        known = np.array([places.get(int(x), -1) for x in new.ids], np.int64)
        share = np.where(known >= 0, np.float32(rate), np.float32(1))[:, None]
        vectors, colors = new.vectors * share, new.colors * share
        if self.ids.size:
            vectors = vectors + (1 - share) * self.vectors[known]
            colors = colors + (1 - share) * self.colors[known]
        moved = Prototypes(new.ids, unit_rows(vectors), colors, new.seen)
        rest = self.take(~np.isin(self.ids, new.ids))
        both = {
            k: np.concatenate([v, getattr(rest, k)]) for k, v in vars(moved).items()
        }
        order = np.lexsort((both["ids"], -both["seen"]))[:most]
        return Prototypes(**both).take(order)


def unit_rows(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows of length 1, float32; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = rows / np.where(lengths > 0, lengths, 1)
    return unit.astype(np.float32)


def similarities(one: Prototypes, other: Prototypes) -> Float[np.ndarray, "n m"]:
    """How alike regions are: cosine similarity, less the squared distance of colours.

    At most 1. The distance is in CIE Lab / 100, as it is in the dissimilarity of the
    method "region_merging".
    """
    apart = one.colors[:, None] - other.colors[None]
    return one.vectors @ other.vectors.T - np.square(apart).sum(axis=-1) / 2


def paired(scores: Float[np.ndarray, "r c"], least: float) -> Int[np.ndarray, " r"]:
    """One-to-one pairs of the highest sum of scores (the Hungarian method).

    Args:
      scores: of every row with every column.
      least: pairs below it are not made.

    Returns:
      int32, the column of every row; -1 for none.
    """
    from scipy.optimize import linear_sum_assignment

    found = np.full(scores.shape[0], -1, np.int32)
    # What is not made adds nothing, so that it keeps no other pair from being made.
    rows, columns = linear_sum_assignment(
        np.where(scores >= least, scores - least + 1e-6, 0), maximize=True
    )
    made = scores[rows, columns] >= least
    found[rows[made]] = columns[made]
    return found
