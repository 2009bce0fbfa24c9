"""Scores of flat segmentations whose segments are matched one to one with classes.

The protocol of zero-shot segmenters (Tian et al., "Diffuse, Attend, and Segment", CVPR
2024): Hungarian matching in every image, pixels summed over images. Unlike the best
region for every class (`classes`) it is no upper bound that finer trees raise:
spare segments are false positives of absent classes. Never set the two side by side.

Where most of an image is background (PascalVOC2012, Pascal-Context, COCO-Object) the
background may get all segments that no object gets, as in Couairon et al., "DiffCut",
NeurIPS 2024. The ground truth thus says which segments are united, so these scores
stand beside none of the plain matching, either.

Which absent class a spare segment falls to is a tie that scipy's solver settles by the
order of the classes and of the segments. Accuracy does not depend on it but mIoU does,
much where images are few, so a taxonomy must list the classes in the order of the
protocol that is followed, absent ones too.
"""

import numpy as np

from uhseg_jax.datasets.source import DatasetError, Example, Source
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics import states
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.metrics.matching import ImageMatchingState, match_image
from uhseg_jax.protocols.protocol import ALL_LEAVES, Protocol
from uhseg_jax.protocols.resolutions import (
    RESOLUTIONS,
    at_both_resolutions,
    encode_labels,
)
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Int

__all__ = ["BACKGROUNDS", "HUNGARIAN", "MatchedScorer", "MatchedScores"]

BACKGROUNDS = ("class", "rest")
"""What the background is to the matching."""


@pytree_dataclass
class MatchedScores:
    """Matched segments of any number of images, at one size.

    Attributes:
      matching: of the segments with the classes.
      segments: int64 ``[]``, segments of the images scored, summed over images.
    """

    matching: ImageMatchingState
    segments: Int[np.ndarray, ""]


class MatchedScorer:
    """Scores the leaves of trees, or a cut, as flat segmentations without names.

    Args:
      taxonomy: of the labels; its flat classes are matched.
      num_regions: cut every tree to at most so many regions; None for its leaves.
      background: "class" to match the background as every class, "rest" to give it
        what no other class gets.
    """

    # Not the mIoU: every spare segment lowers that of its image, so it would rank by
    # the number of segments.
    ranked_by = "full/hungarian_pacc"

    def __init__(
        self,
        taxonomy: Taxonomy,
        *,
        num_regions: int | None = None,
        background: str = BACKGROUNDS[0],
    ):
        self._classes = taxonomy.flat()
        # The first of the flat classes, if there is one.
        self._background = 0 if background == "rest" else None
        self._num_regions = num_regions
        self.levels = (num_regions or ALL_LEAVES,)

    def empty(self) -> dict[str, MatchedScores]:
        """The scores of no image, on the grid and at full size."""
        matching = ImageMatchingState.empty(self._classes.num_classes)
        return {
            resolution: MatchedScores(matching, np.zeros((), np.int64))
            for resolution in RESOLUTIONS
        }

    def score(
        self, result: Segmentation, example: Example
    ) -> tuple[dict[str, MatchedScores], dict[str, float]]:
        """Scores one image, on the patch grid and at its own size.

        Raises:
          DatasetError: the labels hold ids that the taxonomy does not know.
        """
        scores, row = self.empty(), dict[str, float]()
        pairs = at_both_resolutions(result, encode_labels(example, self._classes))
        for resolution, (tree, truth) in pairs.items():
            segments = self._segments(tree)
            found = match_image(
                segments,
                truth,
                num_classes=self._classes.num_classes,
                background=self._background,
            )
            count = np.unique(segments).size
            scores[resolution] = MatchedScores(
                scores[resolution].matching.update(found),
                np.asarray(0 if found.is_empty else count),
            )
            row |= {f"{resolution}/hungarian_{k}": v for k, v in found.row().items()}
            row[f"{resolution}/leaves"] = count
        return scores, row

    def compute(self, state: dict[str, MatchedScores]) -> dict[str, float]:
        """``hungarian_miou`` and ``..._pacc`` at both sizes, in [0, 1]; then counts.

        ``mean_leaves`` is the mean number of segments at full size.
        """
        found = {
            resolution: state[resolution].matching.compute()
            for resolution in RESOLUTIONS
        }
        full = state["full"]
        return {
            **{
                f"{resolution}/hungarian_{name}": scores[name]
                for resolution, scores in found.items()
                for name in ("miou", "pacc")
            },
            **{name: found["full"][name] for name in ("images", "skipped")},
            "mean_leaves": float(states.ratio(full.segments, full.matching.images)),
        }

    def curves(self, state: dict[str, MatchedScores]) -> dict[str, Curve]:
        """None."""
        del state
        return {}

    def _segments(self, tree: RegionTree) -> Int[np.ndarray, "h w"]:
        if self._num_regions is None:
            return np.asarray(tree.labels)
        return np.asarray(tree.cut(num_regions=self._num_regions))


def _scorer(
    source: Source, *, num_regions: int | None, background: str
) -> MatchedScorer:
    """The scorer of a dataset; looks at its first example.

    Raises:
      DatasetError: it has the regions of several people and no classes, or no
        background that could get the rest.
    """
    if len(source) and source[0].annotations is not None:
        raise DatasetError(
            f"{source.name}: expected classes to match segments with, but it holds the "
            "regions of several people; score it by the protocol 'best_region'."
        )
    if background == "rest" and not source.taxonomy.has_background:
        raise DatasetError(
            f"{source.name}: expected a background that gets the segments left over "
            "(background=rest), but all of its classes are foreground; leave "
            "background out, or mark ids as background in the taxonomy."
        )
    return MatchedScorer(
        source.taxonomy, num_regions=num_regions, background=background
    )


HUNGARIAN = Protocol(
    "hungarian",
    "the regions of one flat segmentation are matched one to one with the classes of "
    "the image, as zero-shot segmenters are scored",
    _scorer,
    options=("num_regions", "background"),
)
"""The protocol as it is registered."""
