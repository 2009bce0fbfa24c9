"""Segmenting images of any size into a folder.

Of every raster there is a folder NAME.raster with its tree (`rasters.RasterTree`), in
which a run that was stopped goes on; the files of formats lie beside it.
"""

import contextlib
import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax import export
from uhseg_jax.files import sha256_of, write_json
from uhseg_jax.hierarchy.tree import TreeFileError
from uhseg_jax.images import ImageError
from uhseg_jax.optional import MissingPackageError, imported
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.rasters import (
    Colors,
    RasterError,
    RasterSource,
    RasterTree,
    open_raster,
    segment_source,
)
from uhseg_jax.rasters.formats import RASTER_FORMATS
from uhseg_jax.runs.claims import Claim
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.raster_claims import (
    DRAWN,
    FOLDER_SUFFIX,
    MADE_OF,
    RasterOptions,
    made_of_in,
)
from uhseg_jax.runs.record import RunError, naming_the_file
from uhseg_jax.runs.segment import Failure, Report

__all__ = ["segment_rasters"]

_LONGEST = 2048  # pixels of the copy that is drawn

# Of one raster: a slide may need a package that the others do not.
_OF_ONE = (ImageError, TreeFileError, MissingPackageError, ValueError)


def segment_rasters(
    segmenter: Segmenter,
    rasters: Sequence[RunImage],
    claimed: Claim,
    options: RasterOptions,
    *,
    on_tile: Callable[[RunImage, int, int], None] = lambda image, done, count: None,
    on_done: Callable[[RunImage, str], None] = lambda image, failure: None,
) -> Report:
    """Segments rasters into a folder, one after the other.

    What is finished stays, tile by tile: killed, or on a disk that is full, a run is
    taken up by the same call and gives the same. A raster whose tree is there, made of
    the very bytes of the file (and of files of the same sizes and times, where others
    belong to it) with the settings of the claim, is not segmented again; of its files
    those are written that are missing.

    Args:
      segmenter: of a method that takes graphs.
      rasters: all of the run, of `find_rasters`.
      claimed: the folder, of `claim_rasters`.
      options: how they are divided, and what is written.
      on_tile: called after every tile with its raster, how many are done, and how many
        there are.
      on_done: called after every raster with it and, if it failed, a sentence.

    Raises:
      RunError: nothing can be written.
      MissingPackageError: a format needs a package that is not there.
    """
    for name in filter(RASTER_FORMATS.__contains__, options.formats):
        for package in RASTER_FORMATS[name].packages:  # before hours of work
            imported(package, f"the format {name}")
    failures, undivided, counts = [], [], {True: 0, False: 0}
    drawn = [x for x in options.formats if x in DRAWN]
    with naming_the_file(), export.open_formats(drawn, claimed, options.shown) as page:
        for image in rasters:
            failure = ""
            try:
                arguments = segmenter, image, claimed, options, on_tile
                try:
                    found, drawing = _finished(*arguments)
                except TreeFileError:  # its labels are damaged: all anew
                    shutil.rmtree(_folder(image, claimed))
                    found, drawing = _finished(*arguments)
                if drawing is not None:
                    page.add(drawing, keep=found.was_there)
                counts[found.was_there] += 1
                if int(found.raster.tree.num_nodes) == 1:
                    undivided.append(image.title)
            except _OF_ONE as error:
                failure = str(error)
                if image.title not in failure:
                    failure = f"{image.title}: {failure}"
                failures.append(Failure(image.title, failure))
            on_done(image, failure)
    return Report(counts[False], counts[True], tuple(failures), tuple(undivided))


@dataclasses.dataclass(frozen=True)
class _Found:
    """A raster and its tree.

    Attributes:
      name: of its files.
      source: where it is read from.
      raster: its tree.
      folder: where the tree lies.
      provenance: what it was made of.
      was_there: whether an earlier run made it.
    """

    name: str
    source: RasterSource
    raster: RasterTree
    folder: Path
    provenance: export.Provenance
    was_there: bool


def _finished(
    segmenter: Segmenter,
    image: RunImage,
    claimed: Claim,
    options: RasterOptions,
    on_tile: Callable[[RunImage, int, int], None],
) -> tuple[_Found, export.Result | None]:
    """A raster with its tree and all files in full size, and what is drawn of it.

    Returns:
      The raster; its smaller copy, None where no format shows one.
    """
    found = _found(segmenter, image, claimed, options, on_tile)
    _write_files(found, claimed, options)
    is_drawn = any(x in DRAWN for x in options.formats)
    return found, _drawn(found, image, options) if is_drawn else None


def _folder(image: RunImage, claimed: Claim) -> Path:
    return claimed.output / f"{image.name}{FOLDER_SUFFIX}"


def _found(
    segmenter: Segmenter,
    image: RunImage,
    claimed: Claim,
    options: RasterOptions,
    on_tile: Callable[[RunImage, int, int], None],
) -> _Found:
    """The tree of a raster: the one that is there, or a new one."""
    if image.problem:
        raise RasterError(image.problem)
    assert isinstance(image.source, Path)
    folder = _folder(image, claimed)
    source = open_raster(image.source)
    provenance = export.Provenance(
        claimed.settings_sha256, _digest(image.source, source)
    )
    made_of = {"settings": provenance.settings, "source": provenance.source}
    known = made_of_in(folder / MADE_OF)
    if {x: known.get(x) for x in made_of} == made_of:
        with contextlib.suppress(FileNotFoundError, TreeFileError):
            raster = RasterTree.load(folder)
            return _Found(image.name, source, raster, folder, provenance, True)
    else:
        _begin(folder, known, made_of)
    raster = segment_source(
        source,
        segmenter,
        folder,
        options.tile,
        options.overlap,
        options.bands,
        on_tile=lambda done, count: on_tile(image, done, count),
    )
    return _Found(image.name, source, raster, folder, provenance, False)


def _begin(folder: Path, known: dict[str, Any], made_of: dict[str, str]) -> None:
    """Makes room for the tree of a raster; what was made of another goes."""
    if known.get("settings") == made_of["settings"]:
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(
            f"{folder}: expected the folder of a tree or nothing, but no run "
            "with these settings wrote it; rename it, or give another --output folder."
        )
    write_json(folder / MADE_OF, made_of)


def _write_files(found: _Found, claimed: Claim, options: RasterOptions) -> None:
    """Writes the files in full size, but for those that are there."""
    path = found.folder / MADE_OF
    made_of = made_of_in(path)
    notes: dict[str, str] = made_of.setdefault("files", {}) if found.was_there else {}
    for file in options.files():
        name = found.name + file.suffix
        if notes.get(name) == file.note and claimed.owns(name):
            continue
        with claimed.write(name) as aside:
            file.write(aside, found.raster)
        notes[name] = file.note
        write_json(path, {**made_of, "files": notes})


def _drawn(found: _Found, image: RunImage, options: RasterOptions) -> export.Result:
    """The smaller copy with its regions, white where there is no data."""
    colors = Colors.of(found.source, options.bands)
    pixels, valid = colors.overview(_LONGEST)
    return export.Result(
        name=found.name,
        title=image.title,
        image=np.where(valid[..., None], pixels, np.uint8(255)),
        tree=found.raster.overview(_LONGEST),
        provenance=found.provenance,
        place=image.place,
        valid=None if valid.all() else valid,
    )


def _digest(path: Path, source: RasterSource) -> str:
    """That of a file, and of the stamp of those that belong to it."""
    try:
        digest, stamp = sha256_of(path), source.stamp()
    except OSError as error:
        raise RasterError(
            f"{path}: expected to read it, but the system says: {error.strerror}."
        ) from error
    if not stamp:
        return digest
    return hashlib.sha256(f"{digest} {stamp}".encode()).hexdigest()
