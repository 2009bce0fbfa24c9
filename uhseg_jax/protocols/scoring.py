"""By which protocol a dataset is scored."""

import dataclasses
from typing import Annotated

from uhseg_jax.datasets.source import Source
from uhseg_jax.datasets.views import CroppedSource
from uhseg_jax.protocols import classes, collection, instances, matched
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
        """The images as they are scored."""
        return source if self.crop is None else CroppedSource(source, side=self.crop)

    def scorer(self, source: Source, *, num_categories: int | None = None) -> Scorer:
        """What scores the images of a dataset; may look at its first example.

        Args:
          source: the dataset, as `view` gives it.
          num_categories: how many a method may find at the most, for protocols that
            score categories; None for as many as the dataset has classes.

        Raises:
          DatasetError: the dataset cannot be scored by this protocol.
        """
        protocol = PROTOCOLS[self.protocol]
        values = {**dataclasses.asdict(self), "num_categories": num_categories}
        return protocol.scorer(
            source, **{name: values[name] for name in protocol.options}
        )
