"""The flags that `uhseg-segment` and `uhseg-evaluate` share, and what they mean."""

import collections
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags

from uhseg_jax import backbones
from uhseg_jax.cli import help_texts
from uhseg_jax.cli.overrides import UsageError, override
from uhseg_jax.devices import KINDS, choose_devices, require_devices
from uhseg_jax.features import FeatureFolder
from uhseg_jax.files import expand_home
from uhseg_jax.methods import DEFAULT_METHOD, METHODS
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.refiners import REFINERS, parse_refiners
from uhseg_jax.runs import hosts

__all__ = [
    "Flag",
    "Flags",
    "define",
    "features_of",
    "help_text",
    "join_hosts",
    "output_of",
    "parse",
    "refinement_of",
    "segmenter_of",
]

Flags = flags.FlagValues
# What is said to backbones.
_OF_BACKBONES = ("model", "checkpoint_dir", "dtype", "grid")
_OF_BACKBONE = re.compile(r"(model|(parameters\.)?request\..*)")
# Kind (of absl's DEFINE_..., or a parser), name, default, meaning, perhaps bounds.
Flag = tuple[Any, ...]


class _RefinersParser(flags.ArgumentParser[str]):
    """Refuses what `parse_refiners` cannot read, and keeps the text."""

    def parse(self, argument: str) -> str:
        parse_refiners(argument)
        return argument


_SHARED: list[Flag] = [
    ("bool", "help", False, "Show this and exit.", {"short_name": "h"}),
    ("string", "model", backbones.DEFAULT_VARIANT,
     f"Backbone: {', '.join(backbones.VARIANTS)}; uhseg-convert --list says more. Or "
     "your own, FILE.py:NAME, for which that file is run."),
    ("string", "method", DEFAULT_METHOD, "How regions are found: "
     + "; ".join(f"{x.name}, {x.summary}" for x in METHODS.values())
     + "; or your own, FILE.py:FUNCTION, for which that file is run."),
    ("string", "features", None,
     "Folder of features of your own, in place of a backbone: for every image an array "
     "[h, w, d] of any grid, NAME.npy or NAME.npz."),
    ("string", "preset", "default", "Named parameters of the method: " + "; ".join(
        f"{x.name} has {', '.join(x.presets)}" for x in METHODS.values()) + "."),
    (_RefinersParser(), "refine", None,
     "How leaves of patches become leaves of pixels: none (whole patches, "
     "or the superpixels of a method that has such), upsample "
     "(features interpolated) or, on top of that, some of the following in the order "
     "to run them, separated by commas: "
     + ", ".join(f"{x.name} ({x.summary})" for x in REFINERS.values())
     + ". The method's own by default."),
    ("float", "min_area", Refinement().min_area,
     "Share of the image below which a connected piece of a leaf goes to the regions "
     "around it.", {"lower_bound": 0.0, "upper_bound": 1.0}),
    ("bool", "connected", Refinement().connected,
     "Divide leaves that lie in several pieces."),
    ("multi_string", "refinement", [],
     "A parameter of the refinement or of a refiner, as in "
     "--refinement.kernel=bilinear and --refinement.crf.iterations=5"),
    ("string", "checkpoint_dir", None,
     "Folder of converted weights; UHSEG_CACHE or else the user's cache by default."),
    ("enum", "dtype", backbones.AUTO,
     "In which the backbone computes its products; auto: bfloat16 on accelerators and "
     "CPUs that have instructions for it. Everything else is float32.",
     {"enum_values": list(backbones.DTYPES)}),
    ("enum", "device", None,
     "Where to compute, whatever JAX_PLATFORMS says; by default on a GPU or TPU where "
     "JAX finds one, and else on the CPU.",
     {"enum_values": list(KINDS)}),
    ("bool", "distributed", False,
     "One of several processes that share the images (jax.distributed); a cluster's "
     "own settings are found, or give --coordinator, --processes, --process."),
    ("string", "coordinator", None,
     "With --distributed: HOST:PORT of the first process."),
    ("integer", "processes", None,
     "With --distributed: how many processes there are."),
    ("integer", "process", None,
     "With --distributed: the number of this process, from 0."),
]  # fmt: skip


def define(*others: Flag) -> Flags:
    """The flags of a command: those shared, and its own."""
    # Not in absl's global set: the commands share names of flags, and two of them may
    # be imported by one process.
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # flags after paths count too
    for kind, name, default, meaning, *rest in (*_SHARED, *others):
        said = {"default": default, "help": meaning, "flag_values": values}
        if isinstance(kind, str):
            bounds = rest[0] if rest else {}
            getattr(flags, f"DEFINE_{kind}")(name, **said, **bounds)
        else:
            flags.DEFINE(kind, name, **said)
    return values


def parse(values: Flags, argv: Sequence[str], *, dotted: Sequence[str]) -> list[str]:
    """Reads a command line.

    Args:
      values: the flags, as `define` gives them; they are set.
      argv: with the name of the command first.
      dotted: flags of which --FLAG.NAME=VALUE is read as --FLAG=NAME=VALUE.

    Returns:
      What is no flag.

    Raises:
      UsageError: a flag is unknown or has a value it cannot have.
    """
    prefix = re.compile(rf"^--?({'|'.join(dotted)})\.")
    try:
        positional = values([prefix.sub(r"--\1=", text) for text in argv])[1:]
    except (flags.Error, ValueError) as error:  # the latter of --noFLAG=VALUE
        raise UsageError(f"{error}. See {Path(argv[0]).name} --help.") from error
    if not values.output:
        raise UsageError(
            "--output expects a folder for the results, but got ''; a dot stands for "
            "the current folder."
        )
    return positional


def help_text(values: Flags) -> str:
    """All flags with their meanings and defaults."""
    return help_texts.listed(values)


def join_hosts(values: Flags) -> None:
    """Makes this one of several processes if asked to; before JAX does anything.

    Raises:
      HostsError: they do not find each other.
      DeviceError: there is no device of the kind asked for.
    """
    if values.distributed:
        hosts.join(values.coordinator, values.processes, values.process)
    if values.device:
        choose_devices(values.device)
    require_devices()


def output_of(values: Flags) -> Path:
    """The folder for the results."""
    return expand_home(values.output)


def features_of(values: Flags) -> FeatureFolder | None:
    """The features of one's own; None where a backbone gives them.

    Raises:
      UsageError: there is no such folder, or a flag says what is wanted of a backbone.
    """
    if values.features is None:
        return None
    asked = [f"--{x}" for x in _OF_BACKBONES if x in values and values[x].present]
    for flag in ("config", "override"):  # a list of assignments, or a file
        given = values[flag].value if flag in values else None
        names = [x.partition("=")[0] for x in given] if isinstance(given, list) else []
        asked += [f"--config.{x}" for x in names if _OF_BACKBONE.fullmatch(x)]
    if asked:
        raise UsageError(
            f"--features does not go with {asked[0]}: there is no backbone, and the "
            "grid is that of the features."
        )
    try:
        return FeatureFolder(values.features)
    except ValueError as error:
        raise UsageError(f"--features: {error}") from error


def refinement_of(values: Flags, *, method: str) -> Refinement:
    """The refinement that the flags describe; the method's own where none is named.

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
        parse_refiners(values.refine or METHODS.find(method).refiner, known),
        min_area=values.min_area,
        connected=values.connected,
    )
    return override(named, own, flag="--refinement")


def segmenter_of(
    values: Flags,
    *,
    model: str,
    method: str,
    config: Any,
    refinement: Refinement,
    features: FeatureFolder | None = None,
) -> Segmenter:
    """What makes trees, on the devices of this process."""
    devices = jax.local_devices()
    mesh = None
    if len(devices) > 1:
        mesh = jax.sharding.Mesh(np.array(devices), ("data",))
    return Segmenter.create(
        method=method,
        model=model,
        features=features,
        config=config,
        refine=refinement,
        checkpoint_dir=values.checkpoint_dir,
        dtype=values.dtype,
        mesh=mesh,
    )
