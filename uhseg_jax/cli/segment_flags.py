"""The flags of `uhseg-segment`, checked and turned into one frozen record."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags

from uhseg_jax import backbones, methods
from uhseg_jax.cli import refinement_flags
from uhseg_jax.cli.config_overrides import UsageError, override
from uhseg_jax.export import DEFAULT_FORMATS, EXPORTERS, formats_help
from uhseg_jax.methods import DEFAULT_METHOD
from uhseg_jax.refinement.config import Refinement

__all__ = ["Options", "UsageError", "help_text", "parse"]

_SIZE = re.compile(r"(\d+)(?:[xX](\d+))?")


@dataclasses.dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
      images: paths, patterns and folders; empty for the demonstration photograph.
      output: the folder for results.
      model: name of a variant.
      method: name of a method.
      config: of the method.
      refinement: of the labels.
      max_regions: leaves to prune trees to, where the config has no field for it.
      formats: of `export.EXPORTERS`.
      levels: numbers of regions in the overlays.
      batch_size: images at once.
      checkpoint_dir: folder of converted weights, or None.
      overwrite: do again what was done.
    """

    images: tuple[str, ...]
    output: Path
    model: str
    method: str
    config: Any
    refinement: Refinement
    max_regions: int | None
    formats: tuple[str, ...]
    levels: tuple[int, ...]
    batch_size: int
    checkpoint_dir: str | None
    overwrite: bool


def parse(argv: Sequence[str]) -> Options | None:
    """Reads the command line.

    Args:
      argv: with the name of the command first.

    Returns:
      The options; None if help was asked for.

    Raises:
      UsageError: a flag is unknown or has a value it cannot have.
      ValueError: no such model or method; the known ones are named.
    """
    values = _define()
    # Dotted names are for reading: --config.contrast=4 is --config=contrast=4.
    argv = [re.sub(r"^--?config\.", "--config=", text) for text in argv]
    argv = refinement_flags.dotted(argv)
    try:
        positional = values(argv)[1:]
    except flags.Error as error:
        raise UsageError(f"{error}. See uhseg-segment --help.") from error
    if values.help:
        return None
    backbones.get_variant(values.model)
    method = methods.METHODS.find(values.method)
    preset = method.preset(values.preset)
    config = override(preset, values.config)
    if values.grid is not None:
        request = dataclasses.replace(config.request, grid=_grid(values.grid))
        config = dataclasses.replace(config, request=request)
    max_regions = values.max_regions
    if max_regions is not None and hasattr(config, "max_regions"):
        config = dataclasses.replace(config, max_regions=max_regions)
        max_regions = None
    on_cpu = jax.default_backend() == "cpu"
    return Options(
        images=(*values.images, *positional),
        output=Path(values.output).expanduser(),
        model=values.model,
        method=values.method,
        config=config,
        refinement=refinement_flags.resolve(values, default=method.refiner),
        max_regions=max_regions,
        formats=_formats(values.format),
        levels=_levels(values.levels),
        batch_size=values.batch_size or (1 if on_cpu else 8),
        checkpoint_dir=values.checkpoint_dir,
        overwrite=values.overwrite,
    )


def help_text() -> str:
    """All flags with their meanings and defaults."""
    values = _define()
    modules = (__name__, refinement_flags.__name__)
    named = (values.module_help(module).strip() for module in modules)
    return "\n".join(text.partition("\n")[2] for text in named)  # without its name


def _define() -> flags.FlagValues:
    # Not in absl's global set: the commands share names of flags, and two of them may
    # be imported by one process.
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # flags after paths count too

    def define(make: Any, name: str, default: Any, meaning: str, **bounds: Any) -> None:
        make(name, default, meaning, flag_values=values, **bounds)

    define(flags.DEFINE_bool, "help", False, "Show this and exit.")
    define(
        flags.DEFINE_multi_string,
        "images",
        [],
        "An image, a folder (searched with those below it) or a quoted pattern such "
        "as 'photos/**/*.jpg'. Paths without the flag are taken too. A demonstration "
        "photograph if there are none",
    )
    define(flags.DEFINE_string, "output", "regions", "Folder for the results.")
    define(
        flags.DEFINE_list,
        "format",
        list(DEFAULT_FORMATS),
        f"What to write. {formats_help()}",
    )
    define(
        flags.DEFINE_list, "levels", ["4", "8", "16"], "Numbers of regions in the png."
    )
    define(
        flags.DEFINE_integer,
        "max_regions",
        None,
        "At most so many leaves in a tree. As many as are found by default.",
        lower_bound=1,
    )
    define(
        flags.DEFINE_string,
        "model",
        backbones.DEFAULT_VARIANT,
        f"Backbone: {', '.join(backbones.VARIANTS)}.",
    )
    define(
        flags.DEFINE_string,
        "method",
        DEFAULT_METHOD,
        f"How regions are found: {', '.join(methods.METHODS)}. The last learns "
        "categories from all the images together.",
    )
    define(
        flags.DEFINE_string,
        "preset",
        "default",
        "Named parameters of the method; recursive_spectral has default, release (the "
        "authors' public code) and paper, diffusion_walk default, automatic (the bound "
        "on cuts found for every image) and random_walk.",
    )
    define(
        flags.DEFINE_string,
        "grid",
        None,
        "Patches along a side, or ROWSxCOLUMNS, of the image that the model sees; "
        "results keep the size of the image. By default the method's: 60, or 37 for "
        "attention; of a diffusion model, the size it was trained on.",
    )
    define(
        flags.DEFINE_multi_string,
        "config",
        [],
        "A parameter of the method, as in --config.contrast=4",
    )
    refinement_flags.define(values)
    define(
        flags.DEFINE_bool,
        "overwrite",
        False,
        "Do images again that were done, and replace results of other settings.",
    )
    define(
        flags.DEFINE_integer,
        "batch_size",
        None,
        "Images that are on the device at once; results do not depend on it. 1 on a "
        "CPU and 8 on accelerators by default.",
        lower_bound=1,
    )
    define(
        flags.DEFINE_string,
        "checkpoint_dir",
        None,
        "Folder of converted weights; UHSEG_CACHE or else the user's cache by default.",
    )
    return values


def _grid(text: str) -> int | tuple[int, int]:
    match = _SIZE.fullmatch(text.strip())
    if not match or not all(int(side) for side in match.groups(default="1")):
        raise UsageError(
            "--grid expects a number of patches or ROWSxCOLUMNS, such as 60 or 40x60, "
            f"but got {text!r}."
        )
    rows, columns = match.groups()
    return int(rows) if columns is None else (int(rows), int(columns))


def _levels(texts: list[str]) -> tuple[int, ...]:
    if not texts or not all(text.isdecimal() and int(text) for text in texts):
        raise UsageError(
            "--levels expects numbers of regions from 1 up, such as 4,8,16, but got "
            f"{','.join(texts)!r}."
        )
    return tuple(map(int, texts))


def _formats(texts: list[str]) -> tuple[str, ...]:
    unknown = [text for text in texts if text not in EXPORTERS]
    if unknown or not texts:
        raise UsageError(
            f"--format expects some of {','.join(EXPORTERS)}, but got "
            f"{','.join(unknown)!r}."
        )
    return tuple(texts)
