"""By which protocol a dataset is scored."""

import dataclasses
from typing import Annotated, Any

from uhseg_jax.datasets.clips import ClipSource
from uhseg_jax.datasets.source import DatasetError, Source
from uhseg_jax.datasets.views import CroppedSource
from uhseg_jax.methods.fitted import Collection, Fitted
from uhseg_jax.protocols import classes, collection, instances, matched, video
from uhseg_jax.protocols.clip_methods import TRACKINGS
from uhseg_jax.protocols.protocol import Scorer
from uhseg_jax.registry import Registry
from uhseg_jax.validators import Validated, integer, one_of, optional

__all__ = ["PROTOCOLS", "Scoring"]

PROTOCOLS = Registry(
    "protocol",
    [
        classes.BEST_REGION,
        instances.INSTANCES,
        matched.HUNGARIAN,
        collection.COLLECTION,
        video.VIDEO,
    ],
)
"""The protocols by name."""


@dataclasses.dataclass(frozen=True)
class Scoring(Validated):
    """How images are prepared and segmentations scored.

    Attributes:
      protocol: one of `PROTOCOLS`.
      crop: score the middle squares of this side, in pixels (DiffSeg: 512); None for
        the images as they are.
      num_regions: with "hungarian", cut trees to at most so many regions; None for
        their leaves.
      background: with "hungarian", what the background is: "class", matched as every
        class, or "rest", which gets all segments that no object gets (DiffCut).
      boundaries: with "best_region", score those between classes too, as BSDS does;
        slow.
      task: with "video", "foreground" (DAVIS-2016) or "objects" (DAVIS-2017 without
        prompts).
      tracking: with "video", how regions are found through time: "whole", all frames at
        once, or for comparison "greedy", frames one by one, linked greedily.
      flow: with "video", ask optical flow how things move: measures flicker, and
        chooses tubes by their motion too.
      num_seeds: runs of the method with consecutive seeds, whose scores are averaged.

    Raises:
      ValueError: a field has a value that it cannot have, or the protocol does not
        understand it.
    """

    protocol: Annotated[str, one_of(*PROTOCOLS)] = "best_region"
    crop: Annotated[int | None, optional(integer(1))] = None
    num_regions: Annotated[int | None, optional(integer(1))] = None
    background: Annotated[str, one_of(*matched.BACKGROUNDS)] = matched.BACKGROUNDS[0]
    boundaries: Annotated[bool, one_of(False, True)] = False
    task: Annotated[str, one_of(*video.TASKS)] = "foreground"
    tracking: Annotated[str, one_of(*TRACKINGS)] = "whole"
    flow: Annotated[bool, one_of(False, True)] = False
    num_seeds: Annotated[int, integer(1)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        understood = PROTOCOLS[self.protocol].options
        for field in dataclasses.fields(self):
            takers = [x.name for x in PROTOCOLS.values() if field.name in x.options]
            is_set = getattr(self, field.name) != field.default
            if is_set and takers and field.name not in understood:
                raise ValueError(
                    f"the protocol {self.protocol!r} takes no {field.name}, which goes "
                    f"with {' and '.join(map(repr, takers))} only; leave it out."
                )

    def view(self, source: Source) -> Source:
        """The images as they are scored.

        Raises:
          DatasetError: clips are to be cropped.
        """
        if self.crop is None:
            return source
        if isinstance(source, ClipSource):
            raise DatasetError(
                f"{source.name}: expected no crop, since clips are scored as they are, "
                f"but got {self.crop}; leave it out."
            )
        return CroppedSource(source, side=self.crop)

    @property
    def draws_extremes(self) -> bool:
        """Whether the worst and best are drawn: clips would be segmented anew."""
        return PROTOCOLS[self.protocol].fit is None

    def fit(self, segmenter: Any, source: Source, collection: Collection) -> Fitted:
        """What segments the images or clips of a dataset.

        Args:
          segmenter: a `pipeline.Segmenter`.
          source: the dataset, as `view` gives it.
          collection: the same for methods that learn of it.

        Raises:
          DatasetError: the protocol cannot score the dataset.
          ValueError: the method cannot segment clips, which it would have to.
        """
        protocol = PROTOCOLS[self.protocol]
        if protocol.fit is None:
            fitted: Fitted = segmenter.fit(collection)
            return fitted
        return protocol.fit(segmenter, source, **self._options())

    def scorer(self, source: Source, *, num_categories: int | None = None) -> Scorer:
        """What scores the images of a dataset; may look at its first example.

        Args:
          source: the dataset, as `view` gives it.
          num_categories: how many a method may find at the most, for protocols that
            score categories; None for as many as the dataset has classes.

        Raises:
          DatasetError: the dataset cannot be scored by this protocol.
        """
        options = self._options(num_categories=num_categories)
        return PROTOCOLS[self.protocol].scorer(source, **options)

    def _options(self, **more: Any) -> dict[str, Any]:
        """The keywords that the protocol understands."""
        values = {**dataclasses.asdict(self), **more}
        return {
            name: values[name]
            for name in PROTOCOLS[self.protocol].options
            if name in values
        }
