"""Where the images of finished results may be."""

import collections
import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from uhseg_jax.export.npz import Saved
from uhseg_jax.images import DEMO
from uhseg_jax.runs.images import (
    Decoding,
    RunImage,
    demo_run_image,
    find_run_images,
)
from uhseg_jax.runs.record import RECORD, read_record

__all__ = ["Places", "run_folder"]


class Places:
    """Where the images of results may be.

    Args:
      folder: searched first; None if there is none.
      max_bytes: memory that decoding one may take.
    """

    def __init__(self, folder: Path | None, max_bytes: int):
        self._folder = folder
        self._run_of = functools.cache(run_folder)
        self._decoding = functools.cache(lambda run: Decoding(max_bytes, _bands(run)))
        self._listed = functools.cache(_listed)

    def images(self, path: Path, name: str, saved: Saved) -> tuple[RunImage, ...]:
        """Where the image of a result may be, the likeliest first.

        Args:
          path: of the result.
          name: of its files, without suffix.
          saved: what it says of its image.
        """
        run = self._run_of(path.parent)
        own = path.relative_to(run).as_posix().removesuffix(path.suffix)
        images = []
        if self._folder is not None:
            listed = self._listed(self._folder, run)
            keys = [saved.title, own, name]
            if saved.provenance is not None:  # which tells whether it is the one
                keys.append(Path(saved.title).name)
            images += [x for key in dict.fromkeys(keys) for x in listed.get(key, ())]
        if saved.place:
            place = os.path.realpath(run / saved.place)
            images.append(RunImage(Path(place), own, saved.title))
        elif saved.title == DEMO:
            images.append(demo_run_image())
        decoding = self._decoding(run)
        return tuple(dataclasses.replace(x, decoding=decoding) for x in _once(images))


def _once(images: Iterable[RunImage]) -> Iterator[RunImage]:
    """Images but those of files that came before."""
    seen = set()
    for one in images:
        file = os.path.realpath(one.source) if isinstance(one.source, Path) else None
        if file is None or file not in seen:
            yield one
        seen.add(file)


def _listed(folder: Path, run: Path) -> Mapping[str, Sequence[RunImage]]:
    """The images of a folder by all that a run into another may call them.

    That is the title, the name, and the name of the file alone.
    """
    found = collections.defaultdict(list)
    for one in find_run_images([folder], output=run).images:
        for key in {one.title, one.name, Path(one.title).name}:
            found[key].append(one)
    return found


def run_folder(folder: Path) -> Path:
    """The output folder of the run that left a result; its own if no run did."""
    above = (x for x in (folder, *folder.parents) if (x / RECORD).is_file())
    return next(above, folder)


def _bands(run: Path) -> tuple[int, ...] | None:
    """The bands of images that a run was told to take."""
    record = read_record(run, strict=False)
    bands = record.settings.get("bands") if record else None
    return tuple(bands) if isinstance(bands, list) else None
