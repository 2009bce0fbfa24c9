"""NFCovering: how well one flat segmentation covers the object instances.

Rossetti & Pirri, "Hierarchy-Agnostic Unsupervised Segmentation", NeurIPS 2024: with
S_fg the foreground instances of an image, 1 / |S_fg| sum over R in S_fg of the best IoU
of R within the segmentation; then the mean over images.
"""

import numpy as np

from uhseg_jax.metrics import partitions, states
from uhseg_jax.metrics.contingency import compact, contingency_table
from uhseg_jax.metrics.tallies import mean_over
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Int, Integer

__all__ = ["InstanceState", "nfcovering"]

NO_INSTANCE = 0


def nfcovering(
    segmentation: Integer[np.ndarray, "..."], instances: Integer[np.ndarray, "..."]
) -> float:
    """NFCovering of one image, in [0, 1]; NaN if there is no instance.

    Args:
      segmentation: region of every pixel, any ids from 0.
      instances: instance of every pixel, ids from 1; 0 where there is none (such a
        pixel still counts against a region that takes it), negative where the pixel
        does not count.

    Raises:
      ValueError: the sizes differ.
    """
    table = contingency_table(compact(segmentation), instances)
    sizes = table.sum(axis=0)
    best = partitions.best_ious(table)
    is_instance = (sizes > 0) & (np.arange(sizes.size) != NO_INSTANCE)
    return mean_over(best, is_instance)


@pytree_dataclass
class InstanceState(states.Additive):
    """NFCovering of any number of images; states of disjoint images merge by addition.

    Attributes:
      nfcovering: ``[]``, sum over images, in fixed point (`states`).
      images: ``[]``, images scored.
      skipped: ``[]``, images without an instance; they count nowhere else.
    """

    nfcovering: Int[np.ndarray, ""]
    images: Int[np.ndarray, ""]
    skipped: Int[np.ndarray, ""]

    @classmethod
    def empty(cls) -> "InstanceState":
        """The state of no image."""
        return cls(*(np.zeros((), np.int64) for _ in range(3)))

    def update(self, score: float) -> "InstanceState":
        """The state with one image more; `nfcovering` gives its score."""
        scored = not np.isnan(score)
        return self.merge(
            InstanceState(
                states.to_fixed_point(score if scored else 0.0),
                np.asarray(int(scored)),
                np.asarray(int(not scored)),
            )
        )

    def compute(self) -> dict[str, float]:
        """``nfcovering``, mean over images (NaN if none); ``images``; ``skipped``."""
        return {
            "nfcovering": float(states.mean(self.nfcovering, self.images)),
            "images": int(self.images),
            "skipped": int(self.skipped),
        }
