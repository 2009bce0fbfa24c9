"""The flags on refinement that uhseg-segment and uhseg-evaluate share."""

import dataclasses
import re
from collections.abc import Sequence

from absl import flags

from uhseg_jax.cli.config_overrides import override
from uhseg_jax.refinement.config import REFINERS, Refinement

__all__ = ["define", "dotted", "resolve"]

_DOTTED = re.compile(r"^--?refinement\.")


def define(values: flags.FlagValues) -> None:
    """Adds the flags to a command's."""
    default = Refinement()
    flags.DEFINE_enum(
        "refine",
        None,
        REFINERS,
        "How leaves of patches become leaves of pixels: none (whole patches), upsample "
        "(features interpolated), and on top of that pamr (pixel-adaptive mask "
        "refinement), crf (dense CRF) or pamr_crf (the one, then the "
        "other). The method's own by default.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "min_area",
        default.min_area,
        "Share of the image below which a connected piece of a leaf goes to the "
        "regions around it.",
        lower_bound=0.0,
        upper_bound=1.0,
        flag_values=values,
    )
    flags.DEFINE_bool(
        "connected",
        default.connected,
        "Divide leaves that lie in several pieces.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "refinement",
        [],
        "A parameter of the refinement, as in --refinement.kernel=bilinear and "
        "--refinement.crf.iterations=5",
        flag_values=values,
    )


def dotted(argv: Sequence[str]) -> list[str]:
    """A command line in which ``--refinement.NAME=VALUE`` is a value of one flag."""
    return [_DOTTED.sub("--refinement=", text) for text in argv]


def resolve(values: flags.FlagValues, *, default: str) -> Refinement:
    """The refinement that the flags describe.

    Args:
      values: of the flags.
      default: the method's refiner, where none is named.

    Raises:
      UsageError: a parameter is unknown or has a value it cannot have.
    """
    named = dataclasses.replace(
        Refinement(),
        refiner=values.refine or default,
        min_area=values.min_area,
        connected=values.connected,
    )
    return override(named, values.refinement, flag="--refinement")
