"""What the loop asks of a way to score."""

from typing import Any, Protocol, runtime_checkable

from uhseg_jax.datasets.source import Example
from uhseg_jax.hierarchy.tree import RegionTree

__all__ = ["Scorer"]


@runtime_checkable
class Scorer(Protocol):
    """Scores trees one by one; the states of images add up (`metrics.states`)."""

    def empty(self) -> Any:
        """The state of no image."""
        ...

    def score(
        self, grid: RegionTree, full: RegionTree, example: Example
    ) -> tuple[Any, dict[str, float]]:
        """The state of one image, and its scores in words for a table of images.

        Args:
          grid: the tree on the patch grid.
          full: the same, refined to the size of the image.
          example: the image with its ground truth.
        """
        ...

    def compute(self, state: Any) -> dict[str, float]:
        """The keys of ``metrics.json``, in fractions of 1 unless said."""
        ...
