"""The parameters of superpixels."""

import dataclasses
from collections.abc import Iterable
from typing import Annotated

from uhseg_jax.superpixels.watershed import PARTITIONS
from uhseg_jax.validators import Validated, Validator, integer, one_of, real

__all__ = ["SuperpixelConfig"]

# Below, the samples of a Gaussian are all but one; above, its filter costs more than
# all other steps together.
_SCALE = real("a number of pixels from 0.3 to 20", lambda x: 0.3 <= x <= 20)
_MEGAPIXELS = real("a number of at least 0.01", lambda x: x >= 0.01)


def _scales(values: Iterable[float]) -> tuple[float, ...]:
    scales = tuple(map(_SCALE.convert, values))
    if not scales:
        raise ValueError
    return scales


_SCALES = Validator("one or more numbers of pixels from 0.3 to 20", _scales)


@dataclasses.dataclass(frozen=True)
class SuperpixelConfig(Validated):
    """How an image is divided into superpixels.

    Attributes:
      kind: "watershed" of the colour gradient, one basin in each cell of a regular
        lattice, or "grid": the cells themselves, whatever the image shows.
      count: superpixels at most; the capacity of the graph.
      gradient_scale: standard deviation in pixels of the Gaussian derivatives whose
        magnitude the watershed floods.
      contrast_scales: the same, of the derivatives that say how strong the border
        between two superpixels is; of several, the mean counts.
      max_megapixels: larger images are divided in a smaller copy, and the superpixels
        enlarged.

    Raises:
      ValueError: a field is out of its range; the message names it.
    """

    kind: Annotated[str, one_of(*PARTITIONS)] = "watershed"
    count: Annotated[int, integer(1)] = 780
    gradient_scale: Annotated[float, _SCALE] = 1.5
    contrast_scales: Annotated[tuple[float, ...], _SCALES] = (1.0,)
    max_megapixels: Annotated[float, _MEGAPIXELS] = 1.0
