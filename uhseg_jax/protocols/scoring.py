"""By which protocol a dataset is scored."""

import dataclasses

from uhseg_jax import config_checks
from uhseg_jax.datasets.cropped import CroppedSource
from uhseg_jax.datasets.source import DatasetError, Source
from uhseg_jax.protocols.annotators import AnnotatorScorer
from uhseg_jax.protocols.classes import ClassScorer
from uhseg_jax.protocols.matched import MatchedScorer
from uhseg_jax.protocols.protocol import Scorer

__all__ = ["PROTOCOLS", "Scoring"]

PROTOCOLS = ("best_region", "hungarian")

_LEAVES = 2**31 - 1  # regions; no tree has as many

_OPTIONAL_WHOLE = config_checks.optional(config_checks.whole(1))


@dataclasses.dataclass(frozen=True)
class Scoring:
    """How images are prepared and their trees scored.

    Attributes:
      protocol: "best_region": every class takes its best region of the tree, as the
        papers on hierarchies do, or every person's regions where several people drew
        some, as BSDS does; "hungarian": the segments of one flat segmentation are
        matched with the classes one to one, as zero-shot segmenters are scored.
      crop: score the middle squares of this side, in pixels (DiffSeg: 512); None for
        the images as they are.
      num_regions: with "hungarian", cut trees to at most so many segments; None for
        their leaves.
      boundaries: with "best_region", score those between classes too, as BSDS does;
        slow.
    """

    protocol: str = "best_region"
    crop: int | None = None
    num_regions: int | None = None
    boundaries: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for values that a field cannot have."""
        config_checks.check_fields(
            self,
            {
                "protocol": config_checks.one_of(*PROTOCOLS),
                "crop": _OPTIONAL_WHOLE,
                "num_regions": _OPTIONAL_WHOLE,
                "boundaries": config_checks.one_of(False, True),
            },
        )
        if self.protocol == "hungarian" and self.boundaries:
            raise ValueError(
                "boundaries are scored with the protocol 'best_region' only; leave "
                "them out with 'hungarian'."
            )
        if self.protocol != "hungarian" and self.num_regions is not None:
            raise ValueError(
                "num_regions cuts trees for the protocol 'hungarian'; 'best_region' "
                "takes whole trees, so leave it out."
            )

    def view(self, source: Source) -> Source:
        """The images as they are scored."""
        return source if self.crop is None else CroppedSource(source, side=self.crop)

    def scorer(self, source: Source) -> Scorer:
        """What scores the trees of a dataset; looks at its first example.

        Raises:
          DatasetError: segments are to be matched with classes, and there are none.
        """
        annotated = bool(len(source)) and source[0].annotations is not None
        if self.protocol == "best_region":
            if annotated:
                return AnnotatorScorer()
            return ClassScorer(source.taxonomy, boundaries=self.boundaries)
        if annotated:
            raise DatasetError(
                f"{source.name}: expected classes to match segments with, but it holds "
                "the regions of several people; score it by the protocol 'best_region'."
            )
        return MatchedScorer(source.taxonomy, num_regions=self.num_regions)

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of regions to draw; those scored, where trees are cut."""
        return (
            (8, 32)
            if self.protocol == "best_region"
            else (self.num_regions or _LEAVES,)
        )
