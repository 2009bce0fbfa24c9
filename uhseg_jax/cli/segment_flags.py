"""The flags that only `uhseg-segment` has, checked."""

from collections.abc import Sequence
from typing import Any

import jax

from uhseg_jax import batches
from uhseg_jax.cli import flags
from uhseg_jax.cli.naming_flags import NAMING_FLAGS, naming_options_of
from uhseg_jax.cli.overrides import UsageError, override
from uhseg_jax.cli.raster_flags import RASTER_FLAGS, check_raster, is_of_rasters
from uhseg_jax.cli.video_flags import VIDEO_FLAGS, check_video, is_of_clips
from uhseg_jax.export import (
    DEFAULT_FORMATS,
    EXPORTERS,
    ExportOptions,
    formats_help,
)
from uhseg_jax.hierarchy.region_choice import RegionChoice
from uhseg_jax.images import DEFAULT_MEMORY
from uhseg_jax.methods import METHODS
from uhseg_jax.registry import suggest
from uhseg_jax.runs.images import Decoding
from uhseg_jax.runs.shards import Share

__all__ = [
    "batch_size_of",
    "bound_note",
    "config_of",
    "decoding_of",
    "options_of",
    "parse",
    "shard_of",
]


_FLAGS: list[flags.Flag] = [
    ("multi_string", "images", [],
     "An image, a folder (searched with those below it) or a quoted pattern such as "
     "'photos/**/*.jpg'. Paths without the flag are taken too. A demonstration "
     "photograph if there are none"),
    ("string", "list", None,
     "A text file with paths of images, one a line, from the folder of the list; lines "
     "that begin with '# ' are comments."),
    ("string", "output", "regions", "Folder for the results."),
    ("list", "format", list(DEFAULT_FORMATS), f"What to write. {formats_help()}"),
    ("list", "levels", ["4", "8", "16"],
     "Numbers of regions in the png, and with --tile in tif, gpkg and geojson."),
    ("integer", "max_regions", None,
     "Show at most so many regions of a tree, and those around them, in all formats "
     "but npz and descriptors, which keep the whole tree, so nothing is computed again "
     "for it. A tree has at most --config.max_regions.",
     {"lower_bound": 1}),
    ("string", "grid", None,
     "Patches along a side, or ROWSxCOLUMNS, of the image that the model sees; results "
     "keep the size of the image. By default the method's: 37, but 60 for features in "
     "the papers' methods; of a diffusion model, the size it was trained on."),
    ("multi_string", "config", [],
     "A parameter of the method, as in --config.max_ncut=0.4"),
    ("bool", "overwrite", False,
     "Segment again what is done, and replace results of other settings and files of "
     "the same names that no run wrote."),
    ("integer", "batch_size", None,
     "Images that are on the devices at once; results do not depend on it. By default "
     "1 for every CPU device and 8 for every accelerator, which takes so many through "
     "a program together and fills smaller batches up.",
     {"lower_bound": 1}),
    ("list", "bands", None,
     "Numbers of the three bands of the image files that are red, green and blue, such "
     "as 1,2,3, or of the one that is grey; nothing is transparent then. By default "
     "the fourth of a TIFF is transparency where it is tagged and looks like it."),
    ("float", "image_memory", DEFAULT_MEMORY / 2**30,
     "Gigabytes of memory that decoding one image may take.",
     {"lower_bound": 0.01, "upper_bound": 2.0**20}),
    ("string", "shard", None,
     "NUMBER/COUNT, such as 3/100: take every 100th image, from the third on. --join "
     "writes coco.json and index.html when all shards are done."),
    ("bool", "join", False,
     "Segment nothing; write coco.json and index.html from the results of all images."),
    *RASTER_FLAGS,
    *NAMING_FLAGS,
    *VIDEO_FLAGS,
]  # fmt: skip


def parse(argv: Sequence[str]) -> flags.Flags:
    """Reads the command line.

    Args:
      argv: with the name of the command first.

    Raises:
      UsageError: a flag is unknown, has a value it cannot have or does not go with
        another.
    """
    values = flags.define(*_FLAGS)
    positional = flags.parse(values, argv, dotted=("config", "refinement"))
    values["images"].value = [*values.images, *positional]
    if values.help:
        return values
    check_video(values)
    if is_of_clips(values):
        return values
    shard_of(values)
    decoding_of(values)
    if not values.levels or not all(x.isdecimal() and int(x) for x in values.levels):
        raise UsageError(
            "--levels expects numbers of regions from 1 up, such as 4,8,16, but got "
            f"{','.join(values.levels)!r}."
        )
    check_raster(values)
    if is_of_rasters(values):
        return values
    known = [name for name, x in EXPORTERS.items() if x.in_runs]
    unknown = [x for x in values.format if x not in known]
    if unknown or not values.format:
        later = [x for x in unknown if x in EXPORTERS]
        advice = "".join(suggest(x, EXPORTERS) for x in unknown[:1])
        if later:
            advice = f" For {later[0]} run uhseg-export on the results."
        raise UsageError(
            f"--format expects some of {','.join(known)}, but got "
            f"{','.join(unknown)!r}.{advice}"
        )
    divided = [x for x in ("distributed", "shard", "join") if values[x].value]
    if len(divided) > 1:
        raise UsageError(f"--{divided[0]} does not go with --{divided[1]}.")
    if values.max_regions and METHODS.find(values.method).passes:
        raise UsageError(
            f"--max_regions does not go with --method={values.method}, whose regions "
            "are of one level."
        )
    if naming_options_of(values) and METHODS.find(values.method).passes:
        raise UsageError(
            f"--labels does not go with --method={values.method}, whose regions have "
            "categories."
        )
    whole = [x for x in values.format if not EXPORTERS[x].per_image]
    named = [x for x in whole if x == "html" or EXPORTERS[x].holds_regions]
    if values.labels is not None and not named:
        raise UsageError("--labels goes with formats that hold names: coco and html.")
    if values.join and values.overwrite:
        raise UsageError(
            "--join does not go with --overwrite; give that to the shards."
        )
    if divided and METHODS.find(values.method).passes:
        raise UsageError(
            f"--{divided[0]} does not go with --method={values.method}, which learns "
            "from all images together, in one process."
        )
    if divided and "npz" not in values.format:
        raise UsageError(
            f"--{divided[0]} needs npz among the --format, for the results are joined "
            "from those files."
        )
    return values


def shard_of(values: flags.Flags) -> Share | None:
    """The shard to take; None for the share of this process.

    Raises:
      UsageError: the flag names none.
    """
    if values.shard is None:
        return None
    try:
        return Share.parse(values.shard)
    except ValueError as error:
        raise UsageError(f"--shard: {error}") from error


def decoding_of(values: flags.Flags) -> Decoding:
    """How image files are decoded.

    Raises:
      UsageError: bands are no one or three numbers.
    """
    bands = None
    if values.bands is not None:
        is_number = all(x.isdecimal() and int(x) for x in values.bands)
        if not is_number or len(values.bands) not in (1, 3):
            raise UsageError(
                "--bands expects the numbers of three bands, such as 1,2,3, or of one, "
                f"but got {','.join(values.bands)!r}."
            )
        bands = tuple(map(int, values.bands))
    return Decoding(int(values.image_memory * 2**30), bands)


def batch_size_of(values: flags.Flags) -> int:
    """How many images are on the devices at once."""
    devices = jax.local_device_count()
    return max(values.batch_size or batches.images_at_once() * devices, devices)


def config_of(values: flags.Flags) -> Any:
    """The method's config that the flags describe.

    Raises:
      UsageError: a parameter is unknown or has a value it cannot have.
      ValueError: no such method or preset; the known ones are named.
    """
    preset = METHODS.find(values.method).preset(values.preset)
    grid = [] if values.grid is None else [f"request.grid={values.grid}"]
    return override(preset, [*values.config, *grid])


def options_of(values: flags.Flags) -> ExportOptions:
    """What the formats show of the trees."""
    choice = RegionChoice(num_regions=values.max_regions, root=True)
    naming = naming_options_of(values)
    names = None if naming is None else naming.labels
    return ExportOptions(tuple(map(int, values.levels)), choice=choice, names=names)


def bound_note(values: flags.Flags, config: Any) -> list[str]:
    """A sentence where more regions are to be shown than a tree can have."""
    bound = getattr(config, "max_regions", None)
    wanted, flag = values.max_regions or 0, "max_regions"
    levels = max(map(int, values.levels)) if values.tile else 0
    if levels > wanted:
        wanted, flag = levels, "levels"
    if bound is None or wanted <= bound:
        return []
    return [
        f"--{flag}={wanted}: the method finds at most {bound} regions in an image; for "
        f"more, segment again with --config.max_regions={wanted} into another --output "
        "folder."
    ]
