"""The flags on refinement that uhseg-segment and uhseg-evaluate share."""

import collections
import re
from collections.abc import Sequence

from absl import flags

from uhseg_jax.cli.config_overrides import UsageError, override
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.refiners import REFINERS, parse_refiners

__all__ = ["define", "dotted", "resolve"]

_DOTTED = re.compile(r"^--?refinement\.")


class _RefinersParser(flags.ArgumentParser[str]):
    """Refuses what `parse_refiners` cannot read, and keeps the text."""

    def parse(self, argument: str) -> str:
        parse_refiners(argument)
        return argument


def define(values: flags.FlagValues) -> None:
    """Adds the flags to a command's."""
    default = Refinement()
    refiners = ", ".join(f"{name} ({x.summary})" for name, x in REFINERS.items())
    flags.DEFINE(
        _RefinersParser(),
        "refine",
        None,
        "How leaves of patches become leaves of pixels: none (whole patches), upsample "
        "(features interpolated) or, on top of that, some of the following in the "
        f"order to run them, separated by commas: {refiners}. The method's own by "
        "default.",
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
        "A parameter of the refinement or of a refiner, as in "
        "--refinement.kernel=bilinear and --refinement.crf.iterations=5",
        flag_values=values,
    )


def dotted(argv: Sequence[str]) -> list[str]:
    """A command line in which ``--refinement.NAME=VALUE`` is a value of one flag."""
    return [_DOTTED.sub("--refinement=", text) for text in argv]


def resolve(values: flags.FlagValues, *, default: str) -> Refinement:
    """The refinement that the flags describe.

    Args:
      values: of the flags.
      default: the method's refiners, where none are named.

    Raises:
      UsageError: a parameter is unknown or has a value it cannot have.
    """
    own, constants = [], collections.defaultdict(list)
    for assignment in values.refinement:
        name, dot, rest = assignment.partition(".")
        if name.startswith("refiners"):
            raise UsageError("--refinement: name the refiners with --refine=pamr,crf.")
        if dot and name in REFINERS:
            constants[name].append(rest)
        else:
            own.append(assignment)
    # Constants of refiners that do not run are checked as well.
    known = {
        name: override(x, constants[name], flag=f"--refinement.{name}")
        for name, x in REFINERS.items()
    }
    named = Refinement(
        refiners=parse_refiners(values.refine or default, known),
        min_area=values.min_area,
        connected=values.connected,
    )
    return override(named, own, flag="--refinement")
