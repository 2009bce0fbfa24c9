"""How leaves are refined: the parameters, and their names on command lines."""

import dataclasses
import difflib
import math

from uhseg_jax import config_checks
from uhseg_jax.refinement.dense_crf import CRFConfig
from uhseg_jax.refinement.pamr import PamrConfig

__all__ = ["DEFAULT_REFINER", "KERNELS", "REFINERS", "Refinement", "resolve_refinement"]

REFINERS = ("none", "upsample", "pamr", "crf", "pamr_crf")
DEFAULT_REFINER = "pamr_crf"
KERNELS = ("nearest", "bilinear", "bicubic", "joint")

_KINDS = {
    "refiner": config_checks.one_of(*REFINERS),
    "kernel": config_checks.one_of(*KERNELS),
    **dict.fromkeys(
        ("temperature", "color_sigma"),
        config_checks.real("a finite number above 0", lambda x: 0 < x < math.inf),
    ),
    "locality": config_checks.real(
        "a finite number of at least 0", lambda x: 0 <= x < math.inf
    ),
    "max_megapixels": config_checks.real(
        "a number of at least 0.01", lambda x: x >= 0.01
    ),
    "min_area": config_checks.real("a share from 0 to 1", lambda x: 0 <= x <= 1),
    "connected": config_checks.one_of(True, False),
}


@dataclasses.dataclass(frozen=True)
class Refinement:
    """How leaves on the patch grid become leaves of pixels.

    Attributes:
      refiner: "none" (each pixel takes the patch that holds it), "upsample" (the leaf
        whose features are most like those interpolated at the pixel), or on top of that
        "pamr", "crf", or "pamr_crf", the one after the other.
      kernel: of the interpolation: "nearest", "bilinear", "bicubic", or "joint", in
        which patches of another colour than the pixel count less.
      temperature: of the softmax over leaves.
      locality: exponent of the share of a leaf among the patches around a pixel; 0 is
        the paper's formula, in which far leaves count as much as near ones.
      color_sigma: of "joint": distance in colour, of 255 on each channel.
      max_megapixels: all but "none" and "upsample" work on a smaller copy of larger
        images, and their probabilities are interpolated.
      min_area: share of the image below which a connected piece of a leaf goes to the
        regions around it.
      connected: make a leaf in several pieces the parent of these.
      pamr: constants of "pamr".
      crf: constants of "crf".

    Raises:
      ValueError: a field is out of its range; the message names it.
    """

    refiner: str = DEFAULT_REFINER
    kernel: str = "bicubic"
    temperature: float = 0.1
    locality: float = 1.0
    color_sigma: float = 20.0
    max_megapixels: float = 0.3
    min_area: float = 0.0
    connected: bool = False
    pamr: PamrConfig = dataclasses.field(default_factory=PamrConfig)
    crf: CRFConfig = dataclasses.field(default_factory=CRFConfig)

    def __post_init__(self) -> None:
        config_checks.check_fields(self, _KINDS)


def resolve_refinement(wanted: "str | Refinement | None") -> Refinement:
    """The refinement of that name, the one given, or the default for None.

    Raises:
      ValueError: there is none of that name.
    """
    if wanted is None:
        return Refinement()
    if isinstance(wanted, Refinement):
        return wanted
    if wanted in REFINERS:
        return Refinement(refiner=wanted)
    close = difflib.get_close_matches(str(wanted), REFINERS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"unknown refinement {wanted!r}; expected one of {', '.join(REFINERS)}.{hint}"
    )
