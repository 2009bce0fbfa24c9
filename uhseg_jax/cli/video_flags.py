"""The flags of `uhseg-segment` for clips and volumes, checked."""

from uhseg_jax.cli import flags
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.export.clips import CLIP_FORMATS, ClipOptions
from uhseg_jax.optional import OPTIONAL, is_installed
from uhseg_jax.registry import suggest
from uhseg_jax.runs.clip_modes import ClipMode, Streaming, Whole

__all__ = [
    "VIDEO_FLAGS",
    "check_video",
    "clip_options_of",
    "formats_of",
    "is_of_clips",
    "mode_of",
]

_REGIONS = 8  # that files show where nothing is said

VIDEO_FLAGS: list[flags.Flag] = [
    ("bool", "video", False,
     "The paths are clips: files (package av), or folders with frames as images. A "
     "region keeps its number through all frames. --format is then some of "
     + ", ".join(f"{x.name} ({x.summary})" for x in CLIP_FORMATS.values())
     + f"; --max_regions is {_REGIONS} where nothing is said."),
    ("bool", "volume", False,
     "The paths are volumes, with slices for frames: a TIFF of several pages, an npy, "
     "NIfTI, or a folder with slices as images."),
    ("bool", "streaming", False,
     "With --video: take frames as they come, in memory that does not grow with the "
     "clip, but for what ytvis and html hold of it; --max_regions bounds the "
     "regions of a window."),
    ("integer", "window", 8,
     "With --streaming: frames that are segmented together.", {"lower_bound": 2}),
]  # fmt: skip

_ALLOWED = {
    *("help", "model", "method", "preset", "checkpoint_dir", "dtype", "device"),
    *("images", "output", "format", "max_regions", "grid", "config", "overwrite"),
    *(name for _, name, *_ in VIDEO_FLAGS),
}


def is_of_clips(values: flags.Flags) -> bool:
    """Whether the run is over clips or volumes."""
    return bool(values.video or values.volume)


def check_video(values: flags.Flags) -> None:
    """Refuses what makes no sense.

    Raises:
      UsageError: flags do not go together, or no clip is named.
    """
    given = [name for name in values if values[name].present]
    if not is_of_clips(values):
        for name in ("streaming", "window"):
            if name in given:
                raise UsageError(f"--{name} goes with --video.")
        return
    kind = "video" if values.video else "volume"
    if values.video and values.volume:
        raise UsageError("--video does not go with --volume.")
    if values.streaming and values.volume:
        raise UsageError("--streaming goes with --video; a volume is there as a whole.")
    if values["window"].present and not values.streaming:
        raise UsageError("--window goes with --streaming.")
    for name in given:
        if name not in _ALLOWED:
            raise UsageError(f"--{name} does not go with --{kind}.")
    if not values.images:
        what = "clip.mp4 or a folder of frames" if values.video else "a stack of slices"
        raise UsageError(f"--{kind} expects paths, such as {what}, but got none.")
    formats_of(values)


def formats_of(values: flags.Flags) -> tuple[list[str], list[str]]:
    """The formats of clips to write, and sentences on what is left out.

    Raises:
      UsageError: one is unknown.
    """
    if not values["format"].present:
        missing = [
            x
            for x in CLIP_FORMATS.values()
            if x.package and not is_installed(x.package)
        ]
        notes = [
            f"The format {x.name} is left out, for it needs the package {x.package}: "
            f"{OPTIONAL.find(x.package).advice}"
            for x in missing
        ]
        return [x for x in CLIP_FORMATS if CLIP_FORMATS[x] not in missing], notes
    unknown = [x for x in values.format if x not in CLIP_FORMATS]
    if unknown or not values.format:
        advice = "".join(suggest(x, CLIP_FORMATS) for x in unknown[:1])
        raise UsageError(
            f"--format expects some of {','.join(CLIP_FORMATS)} of clips, but got "
            f"{','.join(unknown)!r}.{advice}"
        )
    return list(dict.fromkeys(values.format)), []


def mode_of(values: flags.Flags) -> ClipMode:
    """How regions are found."""
    if values.streaming:
        return Streaming(values.max_regions or _REGIONS, values.window)
    return Whole(is_volume=values.volume)


def clip_options_of(values: flags.Flags) -> ClipOptions:
    """What the formats show."""
    if values.streaming:  # which has as many regions as came along
        return ClipOptions(num_regions=None, page_regions=None)
    number = values.max_regions or _REGIONS
    return ClipOptions(number, max(number, ClipOptions().page_regions or number))
