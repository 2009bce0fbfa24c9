"""Segmenting clips into a folder."""

import contextlib
import dataclasses
import glob
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from uhseg_jax.export.clips import CLIP_FORMATS, Clip, ClipOptions, read_clip
from uhseg_jax.export.clips.clip_format import OpenClip
from uhseg_jax.export.png_files import is_own
from uhseg_jax.export.result import Provenance
from uhseg_jax.images import ImageError
from uhseg_jax.parts import Parts
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs.claims import Claim, claim
from uhseg_jax.runs.clip_modes import ClipMode
from uhseg_jax.runs.clips import RunClip
from uhseg_jax.runs.record import naming_the_file, read_record
from uhseg_jax.runs.segment import Failure, Report
from uhseg_jax.runs.settings import Settings, describe
from uhseg_jax.video.frames import FrameSource

__all__ = ["claim_clips", "clip_settings", "segment_clips"]

_PARTS = ".parts"  # a folder in that of the run
_DIGITS = 16  # of a digest in names of parts


def clip_settings(segmenter: Segmenter, mode: ClipMode) -> Settings:
    """What the results of a run over clips depend on."""
    return describe("segment", segmenter, (), clips=mode.settings())


def claim_clips(
    output: Path,
    settings: Settings,
    clips: Sequence[RunClip],
    *,
    formats: Sequence[str],
    overwrite: bool = False,
) -> Claim:
    """Makes a folder the output of runs with these settings; see `claims.claim`.

    What was written of these clips with other settings goes, whatever the formats.
    """
    whole = [x for x in map(CLIP_FORMATS.find, formats) if not x.per_clip]
    npz = CLIP_FORMATS["npz"].has_mark
    assert npz is not None
    claimed = claim(
        output,
        settings,
        results=_results_in(output, npz),
        files=[output / x.pattern for x in whole],
        forget=_replaced_by(output, settings, clips),
        overwrite=overwrite,
    )
    # What was kept of clips with other settings is of no use any more.
    for folder in (output / _PARTS).glob("*"):
        if overwrite or not folder.name.startswith(claimed.settings_sha256[:_DIGITS]):
            shutil.rmtree(folder, ignore_errors=True)
    return claimed


def _results_in(output: Path, is_npz: Callable[[Path], bool]) -> Iterator[Path]:
    yield from filter(is_npz, output.rglob("*.npz"))
    yield from filter(is_own, output.rglob("*.png"))


def _replaced_by(
    output: Path, settings: Settings, clips: Sequence[RunClip]
) -> Iterator[Path]:
    """Files of these clips that earlier settings gave."""
    record = read_record(output, strict=False)
    if record is None or record.is_of(settings):
        return
    for own in CLIP_FORMATS.values():
        for clip in clips if own.has_mark is not None else ():
            pattern = own.pattern.replace("{name}", glob.escape(clip.name))
            yield from filter(own.has_mark, output.glob(pattern))


@dataclasses.dataclass(frozen=True)
class _Run:
    """What is the same for all clips of a run."""

    segmenter: Segmenter
    mode: ClipMode
    claimed: Claim
    formats: Sequence[str]
    options: ClipOptions

    def found(self, clip: RunClip, source: FrameSource, on_frame: Any) -> "_Found":
        """The regions of a clip: those that are there, or new ones."""
        made_of = Provenance(self.claimed.settings_sha256, clip.identity)
        parts = Parts(self.claimed.output / _PARTS / _part_name(made_of))
        if not self.claimed.overwrite:
            there = read_clip(self.claimed.output, clip.name, made_of)
            if there is not None:
                return _Found(there, parts, was_there=True)
        try:
            new = self.mode.segment(clip, source, self.segmenter, parts, on_frame)
        except (ImageError, ValueError):
            parts.remove()  # the same fails again
            raise
        return _Found(dataclasses.replace(new, provenance=made_of), parts)

    def wanted(self, found: "_Found", opened: dict[str, OpenClip]) -> list[OpenClip]:
        """What is to be given the frames of a clip: files that are there may stay."""
        return [
            begin
            for name, begin in opened.items()
            if not found.was_there
            or not CLIP_FORMATS[name].is_there(
                self.claimed.output, self.options, found.clip
            )
        ]


@dataclasses.dataclass(frozen=True)
class _Found:
    """A clip with its regions, and what was kept on the way there."""

    clip: Clip
    parts: Parts
    was_there: bool = False


def segment_clips(
    segmenter: Segmenter,
    clips: Sequence[RunClip],
    claimed: Claim,
    mode: ClipMode,
    *,
    formats: Sequence[str],
    options: ClipOptions | None = None,
    on_frame: Callable[[RunClip, int], None] = lambda clip, done: None,
    on_done: Callable[[RunClip, str], None] = lambda clip, failure: None,
) -> Report:
    """Segments clips into a folder, one after the other.

    A clip is done if its npz is there, made of the very bytes of the clip with the
    settings of the claim; then only what is missing of its other files is written.
    ``ytvis.json`` and ``index.html`` are written anew at the end, of all clips. What is
    found of single frames is kept in the folder until the files of the clip are there,
    so the same command goes on within a clip after a kill, and gives the same.

    Args:
      segmenter: of a method that takes graphs.
      clips: all of the run, under distinct names.
      claimed: the folder, of `claim_clips`.
      mode: how regions are found.
      formats: of `CLIP_FORMATS`. Without ``npz`` no tree is kept for later runs.
      options: what they show; None for the default.
      on_frame: called after every frame with its clip and how many are done.
      on_done: called after every clip with it and, if it failed, a sentence.

    Returns:
      The numbers of clips done, and their failures.

    Raises:
      RunError: nothing can be written; what is finished stays.
      MissingPackageError: a format needs a package that is not there.
    """
    run = _Run(segmenter, mode, claimed, formats, options or ClipOptions())
    failures, undivided = [], []
    counts = {True: 0, False: 0}
    with naming_the_file(), _opened(run) as opened:
        for clip in clips:
            failure = ""
            try:
                found = _one(run, clip, opened, on_frame)
                counts[found.was_there] += 1
                if found.clip.num_nodes == 1:
                    undivided.append(clip.title)
            except (ImageError, ValueError) as error:
                failure = str(error)
                failures.append(Failure(clip.title, failure))
            on_done(clip, failure)
    with contextlib.suppress(OSError):
        (claimed.output / _PARTS).rmdir()
    return Report(counts[False], counts[True], tuple(failures), tuple(undivided))


@contextlib.contextmanager
def _opened(run: _Run) -> Iterator[dict[str, OpenClip]]:
    """The formats, whose files for the whole run are written at the end."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(
                CLIP_FORMATS.find(name).open(run.claimed, run.options)
            )
            for name in run.formats
        }


def _one(
    run: _Run,
    clip: RunClip,
    opened: dict[str, OpenClip],
    on_frame: Callable[[RunClip, int], None],
) -> _Found:
    """Segments a clip and writes its files."""
    source = clip.open()
    found = run.found(clip, source, lambda done: on_frame(clip, done))
    wanted = run.wanted(found, opened)
    if wanted:
        with contextlib.ExitStack() as stack:
            adding = [stack.enter_context(begin(found.clip)) for begin in wanted]
            for frame in found.clip.frames(source.frames(), source.file):
                for add in adding:
                    add(frame)
    found.parts.remove()
    return found


def _part_name(made_of: Provenance) -> str:
    source = hashlib.sha256(made_of.source.encode()).hexdigest()
    return f"{made_of.settings[:_DIGITS]}-{source[:_DIGITS]}"
