"""One image of a run on its way from its file to its result."""

import dataclasses
import errno
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax import export
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.images import ImageError, read_image
from uhseg_jax.methods.method import Fitted
from uhseg_jax.runs.images import RunImage
from uhseg_jax.types import UInt8

__all__ = ["Item", "read_item", "segment_items"]


@dataclasses.dataclass(frozen=True)
class Item:
    """An image on its way.

    Attributes:
      index: its position in the run.
      image: where it is read from, and what its results are called.
      pixels: the image, decoded; None if it cannot be had.
      result: what was found in it; None until that is known.
      was_there: whether an earlier run found it.
      failure: a sentence on why there is no result; empty if there is one.
    """

    index: int
    image: RunImage
    pixels: UInt8[np.ndarray, "H W 3"] | None = None
    result: export.Result | None = None
    was_there: bool = False
    failure: str = ""


def read_item(
    images: Sequence[RunImage],
    index: int,
    *,
    output: Path,
    formats: Sequence[str],
    since: int | None,
) -> Item:
    """Decodes an image, and loads its result if that is still good."""
    image = images[index]
    item = Item(index, image)
    changed = 0
    try:
        pixels = read_image(image.source)
        if isinstance(image.source, Path):
            changed = image.source.stat().st_mtime_ns
    except (ImageError, OSError) as error:
        return dataclasses.replace(item, failure=str(error))
    except MemoryError:
        sentence = f"{image.source}: too large for the memory there is."
        return dataclasses.replace(item, failure=sentence)
    files = export.result_files(["npz", *formats], [image.name])
    if any(_is_too_long(output / x) for x in files):
        sentence = f"{image.title}: the name is too long for its results."
        return dataclasses.replace(item, failure=sentence)
    item = dataclasses.replace(item, pixels=pixels)
    if since is None:
        return item
    if changed < time.time_ns():  # cameras with wrong clocks date into the future
        since = max(since, changed)
    result = export.read_result(
        output, image.name, title=image.title, pixels=pixels, since=since
    )
    return dataclasses.replace(item, result=result, was_there=result is not None)


def _is_too_long(path: Path) -> bool:
    """Whether a file system has no place for the name, or for that of its part."""
    try:
        os.lstat(path.with_name(f".{path.name}.12345678.part"))
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def segment_items(
    fitted: Fitted, items: Iterable[Item], batch_size: int
) -> Iterator[Item]:
    """Segments the images that are not yet, a batch at a time; keeps the order."""
    items = iter(items)
    while batch := list(itertools.islice(items, batch_size)):
        done = _segmented(fitted, [x for x in batch if _is_waiting(x)])
        for item in batch:
            yield next(done) if _is_waiting(item) else item


def _is_waiting(item: Item) -> bool:
    return item.pixels is not None and item.result is None


def _segmented(fitted: Fitted, items: Sequence[Item]) -> Iterator[Item]:
    while items:
        try:
            pixels = [x.pixels for x in items]
            for found in fitted.segment([x.index for x in items], pixels):
                item, *items = items
                result = _result_of(item, found)
                yield dataclasses.replace(item, result=result)
        except ImageError as error:  # it could not be read by a pass before
            item, *items = items
            yield dataclasses.replace(item, failure=str(error))


def _result_of(item: Item, found: Segmentation) -> export.Result:
    assert item.pixels is not None
    name, title = item.image.name, item.image.title
    regions = found.tree, found.categories, found.distances
    return export.Result(name, title, item.pixels, *regions)
