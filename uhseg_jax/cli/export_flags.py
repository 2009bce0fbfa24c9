"""The flags of `uhseg-export`, checked."""

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from uhseg_jax.cli.naming_flags import NAMING_FLAGS, naming_options_of
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.export import EXPORTERS, ExportOptions, formats_help
from uhseg_jax.export.selections import SelectedImage, read_selection
from uhseg_jax.files import expand_home
from uhseg_jax.hierarchy.region_choice import RegionChoice
from uhseg_jax.images import DEFAULT_MEMORY
from uhseg_jax.registry import suggest
from uhseg_jax.validators import NON_NEGATIVE, check, optional

__all__ = ["notes_of", "options_of", "output_of", "parse", "said_of", "selection_of"]

_SHARE: dict[str, Any] = {"lower_bound": 0.0, "upper_bound": 1.0}
# Which regions a `RegionChoice` takes, which a selection says by itself.
_CHOICE: list[tuple[Any, ...]] = [
    ("integer", "num_regions", None,
     "The cut of at most so many regions, and the regions around them.",
     {"lower_bound": 1}),
    ("float", "cost", None,
     "The cut at this cost in place of --num_regions: every split below it is open.",
     {"lower_bound": 0.0}),
    ("integer", "depth", None,
     "The cut at this depth in place of --num_regions; 0 is the whole image.",
     {"lower_bound": 0}),
    ("float", "min_area", 0.0,
     "Share of the image below which a region is left out.", _SHARE),
    ("float", "max_area", 1.0,
     "Share of the image above which a region is left out.", _SHARE),
    ("bool", "connected", False, "Make a region of every connected piece of one."),
    ("bool", "background", True,
     "The background is a region too; --no_background leaves it out, and those around "
     "it. It is a guess: the region of the cut with the most pixels on the frame of "
     "the image."),
    ("bool", "root", False, "With nested regions: the whole image is one too."),
]  # fmt: skip
# What only formats of regions know (`Exporter.holds_regions`).
_OF_REGIONS = (
    *("selection", "flat", "nested", "min_area", "max_area", "connected"),
    *("background", "root", "named"),
)
_OF_TREES = [x for x in EXPORTERS if x != "npz" and not EXPORTERS[x].holds_regions]
_FLAGS: list[tuple[Any, ...]] = [
    ("bool", "help", False, "Show this and exit.", {"short_name": "h"}),
    ("string", "output", "exports", "Folder for the files."),
    ("list", "format", [],
     f"What to write. {formats_help(in_runs=False)} Of these {', '.join(_OF_TREES)} "
     "hold the tree itself, or that above --num_regions, --cost or --depth; the other "
     "flags that say which regions do not go with them."),
    *_CHOICE,
    ("bool", "flat", False,
     "Only the regions of the cut, or the leaves, which are disjoint. By default as "
     "the format expects."),
    ("bool", "nested", False,
     "The regions of the cut, or the leaves, and those around them too."),
    ("float", "tolerance", None,
     "How far, in pixels, polygons may be from the sides of pixels, to have fewer "
     "points. With 0 they are exact, and labelme and cvat get masks. By default it is "
     "0 for polygons and 1 for labelme, cvat and yolo.", {"lower_bound": 0.0}),
    ("list", "levels", ["4", "8", "16"], "Numbers of regions in the png."),
    ("string", "selection", None,
     "A file of selected regions, as index.html saves them: only those are exported, "
     "by the names that they were given."),
    ("string", "images", None,
     "Folder with the images, where they are no longer where they were segmented."),
    ("float", "image_memory", DEFAULT_MEMORY / 2**30,
     "Gigabytes of memory that decoding one image may take.",
     {"lower_bound": 0.01, "upper_bound": 2.0**20}),
    ("bool", "overwrite", False,
     "Replace what is in the folder; what is left of an export before goes when "
     "the new one is whole."),
    *NAMING_FLAGS,
    ("bool", "named", False, "With --labels: leave regions without a name out."),
    ("string", "checkpoint_dir", None,
     "With --labels: folder of converted weights; UHSEG_CACHE or else the user's cache "
     "by default."),
]  # fmt: skip


def parse(argv: Sequence[str]) -> tuple[flags.FlagValues, list[str]]:
    """Reads the command line.

    Args:
      argv: with the name of the command first.

    Returns:
      The flags, and the results that are named.

    Raises:
      UsageError: a flag is unknown, has a value it cannot have or does not go with
        another.
    """
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # flags after paths count too
    for kind, name, default, meaning, *rest in _FLAGS:
        said = {"default": default, "help": meaning, "module_name": __name__}
        bounds = rest[0] if rest else {}
        getattr(flags, f"DEFINE_{kind}")(name, **said, **bounds, flag_values=values)
    try:
        # As people write it, whatever absl makes of names.
        specs = values([re.sub("^--?no_(?=background$)", "--no", x) for x in argv])[1:]
    except flags.Error as error:
        raise UsageError(f"{error}. See uhseg-export --help.") from error
    if not values.help:
        _check(values, specs)
    return values, specs


def _check(values: flags.FlagValues, specs: Sequence[str]) -> None:
    if not specs:
        raise UsageError(
            "expected the results of uhseg-segment, its --output folder or npz files, "
            "but none are named. See uhseg-export --help."
        )
    if not values.output:
        raise UsageError(
            "--output expects a folder for the files, but got ''; a dot stands for the "
            "current folder."
        )
    known = [x for x in EXPORTERS if x != "npz"]
    unknown = [x for x in values.format if x not in known]
    if unknown or not values.format:
        raise UsageError(
            f"--format expects some of {','.join(known)}, but got "
            f"{','.join(unknown)!r}.{''.join(suggest(x, known) for x in unknown[:1])}"
        )
    if not values.levels or not all(x.isdecimal() and int(x) for x in values.levels):
        raise UsageError(
            "--levels expects numbers of regions from 1 up, such as 4,8,16, but got "
            f"{','.join(values.levels)!r}."
        )
    try:
        check("--tolerance", values.tolerance, optional(NON_NEGATIVE))
    except ValueError as error:
        raise UsageError(str(error)) from error
    for name in values:
        value = values[name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name} expects a number, but got {value}.")
    if values.flat and values.nested:
        raise UsageError("--flat does not go with --nested.")
    disjoint = [x for x in values.format if EXPORTERS[x].disjoint]
    if values.nested and disjoint:
        raise UsageError(
            f"--nested does not go with --format={disjoint[0]}, in which a pixel has "
            "one region."
        )
    given = _of_regions(values)
    if given and not any(EXPORTERS[x].holds_regions for x in values.format):
        raise UsageError(
            f"{given[0]} goes with formats of regions, such as labels, masks and coco; "
            f"{_whole_trees(values)}."
        )
    nested = [x for x in values.format if EXPORTERS[x].holds_regions]
    if not values.nested:
        nested = [x for x in nested if not (values.flat or EXPORTERS[x].flat)]
    if values.root and not nested:
        raise UsageError(
            "--root goes with nested regions: give --nested or a format of such, as "
            "coco, without --flat; or leave out --root."
        )
    named = [x for x in values.format if x == "html" or EXPORTERS[x].holds_regions]
    if values.labels is not None and not named:
        raise UsageError(
            "--labels goes with formats that hold names, such as coco, csv and html."
        )
    if values.selection is not None:
        for _, name, default, *_ in _CHOICE:
            if values[name].value != default:
                raise UsageError(
                    f"--{name} does not go with --selection, which says itself what "
                    "the regions are."
                )
        if values.labels is not None:
            raise UsageError(
                "--labels does not go with --selection, which says itself what the "
                "regions are called."
            )
    if values.named and values.labels is None:
        raise UsageError("--named goes with --labels, which are not given.")
    naming_options_of(values)
    _choice(values)


def _of_regions(values: flags.FlagValues) -> list[str]:
    """The flags that are given and that only formats of regions know."""
    names = [x for x in _OF_REGIONS if values[x].value != values[x].default]
    return ["--no_background" if x == "background" else f"--{x}" for x in names]


def _whole_trees(values: flags.FlagValues) -> str:
    """The formats asked for that know no such flag, and what they hold; or empty."""
    others = [x for x in values.format if x in _OF_TREES]
    if not others:
        return ""
    verb = "holds" if len(others) == 1 else "hold"
    return f"{', '.join(others)} {verb} the tree itself"


def notes_of(values: flags.FlagValues) -> list[str]:
    """What flags do not do in some of the formats, in sentences."""
    given, others = _of_regions(values), _whole_trees(values)
    if not given or not others:
        return []
    says = "says" if len(given) == 1 else "say"
    return [f"{others}, whatever {' and '.join(given)} {says}."]


def _choice(values: flags.FlagValues) -> RegionChoice:
    fields = {x.name for x in dataclasses.fields(RegionChoice)}
    named: dict[str, Any] = {x: values[x].value for x in fields & {*values}}
    try:
        return RegionChoice(**{**named, "flat": False})
    except ValueError as error:
        raise UsageError(str(error)) from error


def output_of(values: flags.FlagValues) -> Path:
    """The folder for the files."""
    return expand_home(values.output)


def options_of(values: flags.FlagValues, num_categories: int | None) -> ExportOptions:
    """What the formats show of the trees, which may have categories."""
    naming = naming_options_of(values)
    return ExportOptions(
        tuple(map(int, values.levels)),
        num_categories,
        choice=_choice(values),
        names=None if naming is None else naming.labels,
        named=values.named,
        flat=None if values.flat == values.nested else bool(values.flat),
        tolerance=values.tolerance,
    )


def selection_of(values: flags.FlagValues) -> dict[str, SelectedImage]:
    """The regions that somebody selected, by the titles of the images.

    Raises:
      SelectionError: the file holds none.
    """
    return {x.title: x for x in read_selection(expand_home(values.selection))}


def said_of(values: flags.FlagValues, specs: Sequence[str]) -> dict[str, Any]:
    """What ``export.json`` says of the command line besides."""
    said: dict[str, Any] = {"results": [*specs], "selection": values.selection}
    if values.labels is not None:
        said |= {x: values[x].value for x in ("labels", "labels_model", "named")}
        said["labels_threshold"] = values.labels_threshold
    return said
