"""The flags of `uhseg-evaluate`, checked against each other."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from absl import flags

from uhseg_jax import backbones
from uhseg_jax.cli import refinement_flags
from uhseg_jax.cli.config_overrides import UsageError
from uhseg_jax.methods import DEFAULT_METHOD
from uhseg_jax.protocols.scoring import PROTOCOLS, Scoring

__all__ = ["help_text", "parse", "scoring_of"]

_OVERRIDE = re.compile(r"--?config\.(.*)", re.DOTALL)
_FOR_FOLDERS = ("images", "masks", "taxonomy", "model", "method", "preset")
_SCORING = ("protocol", "crop", "num_regions")  # what configs say for themselves
_AS_OVERRIDE = {
    "preset": "parameters.NAME",
    **{name: name for name in ("model", *_SCORING)},
}
_FOR_CONFIGS = ("data_dir", "manual_dir")


def parse(argv: Sequence[str]) -> tuple[flags.FlagValues, list[str]]:
    """Reads the command line.

    Args:
      argv: with the name of the command first.

    Returns:
      The values of the flags, and what ``--config.NAME=VALUE`` overrides, without
      ``--config.``.

    Raises:
      UsageError: flags are unknown, have values they cannot have or do not go together.
    """
    values = _define()
    overrides = [match[1] for match in map(_OVERRIDE.fullmatch, argv) if match]
    try:
        rest = [x for x in argv if not _OVERRIDE.fullmatch(x)]
        positional = values(refinement_flags.dotted(rest))[1:]
    except flags.Error as error:
        raise UsageError(f"{error}. See uhseg-evaluate --help.") from error
    if not values.help:
        _require_sense(values, overrides, positional)
    return values, overrides


def scoring_of(values: flags.FlagValues, said: Scoring | None = None) -> Scoring:
    """How to score, by the flags.

    Args:
      values: from `parse`.
      said: what a config says, to which the flags add; None without one.

    Raises:
      UsageError: flags of different protocols are given.
    """
    given: dict[str, Any] = {
        name: values[name].value for name in _SCORING if values[name].present
    }
    if values.boundaries:
        given["boundaries"] = True
    try:
        return dataclasses.replace(said or Scoring(), **given)
    except ValueError as error:
        raise UsageError(str(error)) from error


def help_text() -> str:
    """All flags with their meanings and defaults."""
    values = _define()
    modules = (__name__, refinement_flags.__name__)
    named = (values.module_help(module).strip() for module in modules)
    return "\n".join(text.partition("\n")[2] for text in named)  # without its name


def _require_sense(
    values: flags.FlagValues, overrides: Sequence[str], positional: Sequence[str]
) -> None:
    if positional:
        raise UsageError(
            f"expected flags alone, but got {' '.join(positional)}; a folder of "
            "images goes with --images. See uhseg-evaluate --help."
        )
    if not values.config:
        if overrides:
            raise UsageError(f"--config.{overrides[0]} needs --config=FILE.")
        if not (values.images and values.masks):
            raise UsageError(
                "expected --config, or --images and --masks together. See "
                "uhseg-evaluate --help."
            )
    one, others = (
        ("config", (*_FOR_FOLDERS, *_SCORING))
        if values.config
        else ("images", _FOR_CONFIGS)
    )
    clashing = [name for name in others if values[name].present]
    if clashing:
        instead = _AS_OVERRIDE.get(clashing[0])
        advice = f"; say --config.{instead}=VALUE" if instead else ""
        named = ", ".join(f"--{name}" for name in clashing)
        raise UsageError(f"--{one} does not go with {named}{advice}.")


def _define() -> flags.FlagValues:
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # flags after a stray path are read too

    def text(name: str, meaning: str, default: str | None = None) -> None:
        flags.DEFINE_string(name, default, meaning, flag_values=values)

    def switch(name: str, meaning: str) -> None:
        flags.DEFINE_bool(name, False, meaning, flag_values=values)

    def whole(name: str, meaning: str) -> None:
        flags.DEFINE_integer(name, None, meaning, lower_bound=1, flag_values=values)

    switch("help", "Show this and exit.")
    text("config", "A file of configs/. --config.NAME=VALUE and "
         "--config.parameters.NAME=VALUE replace what it says.")  # fmt: skip
    text("data_dir", "Folder of prepared datasets; as TFDS has it by default.")
    text("manual_dir", "Folder of the dataset's original files.")
    text("images", "Folder of images, instead of a config.")
    text("masks", "Folder of index PNGs with the names of the images.")
    text("names", "Text file with the names to take, one a line; all by default.")
    text("taxonomy", "Label hierarchy of the masks; by default 0 is background, 255 is "
         "ignored and every other id a class.")  # fmt: skip
    text("model", "Backbone for --images.", backbones.DEFAULT_VARIANT)
    text("method", "How regions are found, for --images.", DEFAULT_METHOD)
    text("preset", "Parameters of the method for --images.", "default")
    refinement_flags.define(values)
    text("output", "Folder for the scores.", "scores")
    text("checkpoint_dir", "Folder of converted weights; the user's cache by default.")
    switch("overwrite", "Forget what was scored before.")
    flags.DEFINE_enum(
        "protocol",
        Scoring().protocol,
        list(PROTOCOLS),
        "How images are scored. "
        + " ".join(f"{x.name}: {x.summary}." for x in PROTOCOLS.values())
        + " With folders give --taxonomy to hungarian: absent classes count.",
        flag_values=values,
    )
    whole("crop", "Score the middle squares of the images, brought to this side; "
          "zero-shot segmenters take 512.")  # fmt: skip
    whole("num_regions", "With --protocol=hungarian: cut trees to at most so many "
          "segments; their leaves by default.")  # fmt: skip
    switch("boundaries", "Score the boundaries between classes too, as BSDS does "
           "(BSDS has them anyway); a second or two for every image.")  # fmt: skip
    switch("distributed", "One of several processes (jax.distributed); a cluster's own "
           "settings are found, or give the next three.")  # fmt: skip
    text("coordinator", "HOST:PORT of the first process.")
    flags.DEFINE_integer("processes", None, "How many.", flag_values=values)
    flags.DEFINE_integer("process", None, "Which, from 0.", flag_values=values)
    return values
