"""Scores of the categories that a method finds in a dataset, against its classes.

As MaskContrast does: one cluster for the background and one for each category, matched
with the classes by a single Hungarian assignment for the whole set, on the IoU, at the
original resolution. Beside that stands how well the foreground is found at each level,
classes aside. The seeds of clusterings matter: `average_seeds` gives the mean over runs
and their spread.
"""

import math
import statistics
from collections.abc import Mapping

import numpy as np

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.metrics import states
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.metrics.matching import DatasetMatchingState
from uhseg_jax.protocols.protocol import ALL_LEAVES, Protocol
from uhseg_jax.protocols.resolutions import encode_labels
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.labels import at_size, resize_labels
from uhseg_jax.types import Bool, Int

__all__ = [
    "COLLECTION",
    "MASKS",
    "CollectionScorer",
    "CollectionScores",
    "average_seeds",
]

MASKS = ("dataset", "category", "image", "final")
"""Foregrounds of a `Segmentation`."""

_FOREGROUNDS = ("everything", *MASKS, "refined")


@pytree_dataclass
class CollectionScores:
    """Categories and foregrounds of any number of images.

    The foregrounds are ``p``: the whole image, the masks, and what has a category.

    Attributes:
      matching: of the categories with the classes.
      intersections: ``[p]``, pixels that foregrounds share with the true one.
      unions: ``[p]``, pixels of foregrounds and the true one together.
      ious: ``[p]``, sum over images of their IoU, in fixed point (`states`).
      judged: ``[p]``, images whose union is not empty.
      regions: ``[]``, regions with a category, summed over images.
      shown: ``[k]``, images that show a category.
    """

    matching: DatasetMatchingState
    intersections: Int[np.ndarray, " p"]
    unions: Int[np.ndarray, " p"]
    ious: Int[np.ndarray, " p"]
    judged: Int[np.ndarray, " p"]
    regions: Int[np.ndarray, ""]
    shown: Int[np.ndarray, " k"]


class CollectionScorer:
    """Scores the categories of regions, and the foregrounds, at full size.

    Args:
      source: the dataset.
      num_categories: how many there may be; None for as many as the dataset has
        classes beside the background.
    """

    levels = (ALL_LEAVES,)
    ranked_by = "foreground/refined_iou"

    def __init__(self, source: Source, *, num_categories: int | None = None):
        self._classes = source.taxonomy.flat()
        if num_categories is None:
            num_categories = self._classes.num_classes - 1
        self._num_clusters = num_categories + 1

    def empty(self) -> CollectionScores:
        """The scores of no image."""
        none = np.zeros(len(_FOREGROUNDS), np.int64)
        return CollectionScores(
            DatasetMatchingState.empty(self._num_clusters, self._classes.num_classes),
            *(none, none, none, none),
            regions=np.zeros((), np.int64),
            shown=np.zeros(self._num_clusters, np.int64),
        )

    def score(
        self, result: Segmentation, example: Example
    ) -> tuple[CollectionScores, dict[str, float]]:
        """Scores one image, at its own size.

        Raises:
          DatasetError: the labels hold ids that the taxonomy does not know.
          ValueError: the method found no categories, or more than there may be.
        """
        if result.categories is None:
            raise ValueError(
                f"{example.name}: expected a category for every region, but the method "
                "finds none; score it by another protocol."
            )
        truth = encode_labels(example, self._classes)
        found = result.categories[: int(result.tree.num_nodes)]
        categories = result.categories[at_size(result.tree, truth.shape).labels]
        foregrounds = _foregrounds(result, categories)
        overlaps = [_overlap(foregrounds.get(name), truth) for name in _FOREGROUNDS]
        both, either = np.array(overlaps, np.int64).T
        ious = states.ratio(both, either)
        count = int((found > 0).sum())
        nothing = self.empty()
        scores = CollectionScores(
            matching=nothing.matching.update(categories, truth),
            intersections=both,
            unions=either,
            ious=states.to_fixed_point(np.where(either > 0, ious, 0)),
            judged=(either > 0).astype(np.int64),
            regions=np.asarray(count),
            shown=np.minimum(np.bincount(found, minlength=self._num_clusters), 1),
        )
        row = {
            f"foreground/{name}_iou": float(iou)
            for name, iou in zip(_FOREGROUNDS, ious, strict=True)
            if name in foregrounds
        }
        return scores, {**row, "regions": count}

    def compute(self, state: CollectionScores) -> dict[str, float]:
        """All scores, in fractions of 1; NaN where nothing was scored.

        ``full/miou`` and ``full/pacc`` of the matching; for each foreground
        ``foreground/NAME_iou``, summed over the set, and ``..._iou_per_image``,
        the mean over images; ``images`` and ``skipped``; ``mean_regions`` over both;
        ``categories``, those that some region has.
        """
        matched = state.matching.compute()
        pooled = states.ratio(state.intersections, state.unions)
        per_image = states.ratio(states.from_fixed_point(state.ious), state.judged)
        seen = matched["images"] + matched["skipped"]
        found = {f"full/{name}": matched.pop(name) for name in ("miou", "pacc")}
        for name, *ious in zip(_FOREGROUNDS, pooled, per_image, strict=True):
            for ending, iou in zip(("iou", "iou_per_image"), ious, strict=True):
                found[f"foreground/{name}_{ending}"] = float(iou)
        return {
            **found,
            **matched,
            "mean_regions": float(states.ratio(state.regions, seen)),
            "categories": int((state.shown[1:] > 0).sum()),
        }

    def curves(self, state: CollectionScores) -> dict[str, Curve]:
        """None."""
        del state
        return {}


COLLECTION = Protocol(
    "collection",
    "the categories that a method finds in a dataset are matched one to one with its "
    "classes, once for all images",
    CollectionScorer,
    options=("num_categories",),
)
"""The protocol as it is registered."""


def average_seeds(
    metrics: Mapping[int, Mapping[str, float | None]],
) -> dict[str, float]:
    """The scores of several runs as one.

    Args:
      metrics: what a `CollectionScorer` computed, by the seed of the run; None, as JSON
        has it, is NaN.

    Returns:
      The mean of every score; then of ``full/miou``, where it is one, the standard
      deviation ``full/miou_std`` (NaN for one seed), and ``full/miou_seed_N``.
    """
    rows = {
        seed: {k: math.nan if v is None else float(v) for k, v in row.items()}
        for seed, row in metrics.items()
    }
    means = {
        key: statistics.fmean(row[key] for row in rows.values())
        for key in next(iter(rows.values()))
    }
    if "full/miou" not in means:
        return means
    mious = {f"full/miou_seed_{seed}": row["full/miou"] for seed, row in rows.items()}
    several = len(rows) > 1
    spread = statistics.stdev(mious.values()) if several else math.nan
    return {**means, "full/miou_std": spread, **mious}


def _foregrounds(
    result: Segmentation, categories: Int[np.ndarray, "H W"]
) -> dict[str, Bool[np.ndarray, "H W"]]:
    """The foregrounds of an image at its own size, by nearest neighbour."""
    size = categories.shape
    return {
        "everything": np.ones(size, bool),
        **{
            name: resize_labels(mask.astype(np.int32), size) > 0
            for name, mask in result.masks.items()
        },
        "refined": categories > 0,
    }


def _overlap(
    mask: Bool[np.ndarray, "H W"] | None, truth: Int[np.ndarray, "H W"]
) -> tuple[int, int]:
    """Pixels of intersection and union with the classes that are not background.

    None shares nothing with nothing.
    """
    if mask is None:
        return 0, 0
    counts, foreground = truth >= 0, truth > 0
    mask = mask & counts
    return int((mask & foreground).sum()), int((mask | foreground).sum())
