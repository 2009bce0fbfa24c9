"""What the protocols share: how one is described, and what scores a dataset by it."""

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

from uhseg_jax.datasets.source import Example
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.methods.fitted import Fitted
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.workers import Call

__all__ = ["ALL_LEAVES", "Protocol", "Scorer", "SlowScorer"]

ALL_LEAVES = 2**31 - 1  # regions; no tree has as many


@typing.runtime_checkable
class Scorer(typing.Protocol):
    """Scores the images of one dataset; their states add up (`metrics.states`)."""

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of regions to draw of an image."""
        ...

    @property
    def ranked_by(self) -> str:
        """The score of a row by which images are called best and worst."""
        ...

    def empty(self) -> Any:
        """The state of no image."""
        ...

    def score(
        self, result: Segmentation, example: Example
    ) -> tuple[Any, dict[str, float]]:
        """The state of one image, and its scores for a table of images.

        Args:
          result: what a method found in the image.
          example: the image with its ground truth.

        Raises:
          DatasetError: the ground truth is not as the protocol needs it.
        """
        ...

    def compute(self, state: Any) -> dict[str, float]:
        """The keys of ``metrics.json``, in fractions of 1 unless said otherwise."""
        ...

    def curves(self, state: Any) -> dict[str, Curve]:
        """The curves of a set, by names as those of the scores; there may be none."""
        ...


@typing.runtime_checkable
class SlowScorer(Scorer, typing.Protocol):
    """A scorer that calls slow functions of arrays, which a run gives to processes.

    Attributes:
      call: how it calls them; `workers.call_here` unless a run sets it.
    """

    call: Call


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A way to score segmentations.

    Attributes:
      name: under which users choose it.
      summary: what it does, one line for help texts.
      scorer: makes the `Scorer` of a `Source`, which comes first, from `options`, which
        are keywords; DatasetError if the dataset cannot be scored so.
      options: names of the keywords that it understands.
      fit: makes a `methods.fitted.Fitted` of a segmenter, a `Source` and the options;
        None where images are segmented as the method does it.
    """

    name: str
    summary: str
    scorer: Callable[..., Scorer]
    options: tuple[str, ...] = ()
    fit: Callable[..., Fitted] | None = None
