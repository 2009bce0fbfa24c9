"""Images whose features no backbone gave, on their way into a method's program."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from uhseg_jax.methods.fitted import PooledImage, PreparedImage
from uhseg_jax.pipeline.grid_tree import GridTree
from uhseg_jax.types import Float

__all__ = ["Given", "of_one_shape"]


@dataclasses.dataclass(frozen=True)
class Given:
    """An image whose features were given.

    Attributes:
      features: of its patches, as the method works on them.
      own: what the method wanted of its pixels.
      entering: the features as they go through the program.
      graph: that goes with them.
    """

    features: Float[np.ndarray, "h w d"]
    own: PreparedImage | None
    entering: Float[np.ndarray, "a b d"]
    graph: Any

    @classmethod
    def of(
        cls, features: Float[np.ndarray, "h w d"], own: PreparedImage | None
    ) -> "Given":
        """Averaged over superpixels, where there are such."""
        if isinstance(own, PooledImage):
            return cls(features, own, *own.pooled(features))
        return cls(features, own, features, own and own.graph)

    def on_patches(self, found: GridTree) -> GridTree:
        """What the program found, on the grid of the patches."""
        if not isinstance(self.own, PooledImage):
            return found
        labels = self.own.on_patches(np.asarray(found.leaves))
        tree = dataclasses.replace(found.tree, labels=labels)
        return dataclasses.replace(found, tree=tree)


def of_one_shape(
    given: Sequence[Given], failure: Exception | None
) -> tuple[Sequence[Given], Exception | None]:
    """The first images that go through one program.

    And what stopped the images behind them, if no others come before that.
    """
    shapes = [x.entering.shape for x in given]
    count = next((i for i, x in enumerate(shapes) if x != shapes[0]), len(given))
    return given[:count], failure if count == len(given) else None
