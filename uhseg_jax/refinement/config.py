"""How leaves are refined: the parameters of a refinement."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Annotated, Any

from uhseg_jax.refinement.refiners import Refiner, parse_refiners
from uhseg_jax.validators import (
    POSITIVE,
    SHARE,
    Validated,
    Validator,
    one_of,
    real,
)

__all__ = ["DEFAULT_REFINE", "Refinement", "resolve_refinement"]

DEFAULT_REFINE = "pamr,crf"
"""The refiners that are used where none are named."""

_REFINERS = Validator("None, or refiners that differ by their names", parse_refiners)
_LOCALITY = real("a finite number of at least 0", lambda x: 0 <= x < math.inf)
_MEGAPIXELS = real("a number of at least 0.01", lambda x: x >= 0.01)


@dataclasses.dataclass(frozen=True)
class Refinement(Validated):
    """How leaves on the patch grid become leaves of pixels.

    Attributes:
      refiners: what the probabilities of the leaves at the pixels go through, in this
        order. The probabilities follow from the features interpolated at each pixel;
        with no refiner, the likeliest leaf is the pixel's ("upsample"). None: there are
        no probabilities, and each pixel takes the leaf of its superpixel, where the
        method has such, or else of its patch ("none").
      kernel: of the interpolation: "nearest", "bilinear", "bicubic", or "joint", in
        which patches of another colour than the pixel count less.
      temperature: of the softmax over leaves.
      locality: exponent of the share of a leaf among the patches around a pixel; 0 is
        the paper's formula, in which far leaves count as much as near ones.
      color_sigma: of "joint": distance in colour, of 255 on each channel.
      max_megapixels: refiners work on a smaller copy of larger images, and their
        probabilities are interpolated.
      min_area: share of the image below which a connected piece of a leaf goes to the
        regions around it.
      connected: make a leaf in several pieces the parent of these.

    Raises:
      ValueError: a field is out of its range; the message names it.
    """

    refiners: Annotated[tuple[Refiner, ...] | None, _REFINERS] = parse_refiners(
        DEFAULT_REFINE
    )
    kernel: Annotated[str, one_of("nearest", "bilinear", "bicubic", "joint")] = (
        "bicubic"
    )
    temperature: Annotated[float, POSITIVE] = 0.1
    locality: Annotated[float, _LOCALITY] = 1.0
    color_sigma: Annotated[float, POSITIVE] = 20.0
    max_megapixels: Annotated[float, _MEGAPIXELS] = 0.3
    min_area: Annotated[float, SHARE] = 0.0
    connected: Annotated[bool, one_of(True, False)] = False

    @property
    def name(self) -> str:
        """The refiners as `parse_refiners` reads them, such as "pamr,crf"."""
        if self.refiners is None:
            return "none"
        return ",".join(x.name for x in self.refiners) or "upsample"

    def to_dict(self) -> dict[str, Any]:
        """The parameters for records of runs, those of a refiner under its name."""
        fields = dataclasses.asdict(dataclasses.replace(self, refiners=None))
        constants = {x.name: dataclasses.asdict(x) for x in self.refiners or ()}
        return {**fields, "refiners": self.name, **constants}


def resolve_refinement(
    wanted: "str | Iterable[str | Refiner] | Refinement | None",
) -> Refinement:
    """The refinement with these refiners, the one given, or the default for None.

    Raises:
      ValueError: there is no refiner of that name.
    """
    if isinstance(wanted, Refinement):
        return wanted
    return Refinement() if wanted is None else Refinement(parse_refiners(wanted))
