"""The loop over the images of a run, one batch after the other."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import errno
import functools
import itertools
import re
import time
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from pathlib import Path
from typing import Any

import jax
import numpy as np

from uhseg_jax import export, images
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.settings import naming_the_file
from uhseg_jax.types import UInt8

__all__ = ["Failure", "Report", "segment_images"]

_STALE_AFTER = 3600.0  # seconds; files being written change more often than that
_LEFT_ASIDE = re.compile(r"\..+\.(npz|png|json|html)\.\w{8}\.part")


@dataclasses.dataclass(frozen=True)
class Failure:
    """An image without a result: its title, and a sentence on why."""

    title: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run did.

    Attributes:
      segmented: images whose trees were computed.
      skipped: images whose trees were there.
      failures: images without a tree.
    """

    segmented: int
    skipped: int
    failures: tuple[Failure, ...]


@dataclasses.dataclass(frozen=True)
class _Item:
    """An image on its way: its pixels and then its tree, or why there are none."""

    image: RunImage
    pixels: UInt8[np.ndarray, "H W 3"] | None = None
    tree: RegionTree | None = None
    was_there: bool = False
    failure: str = ""


@naming_the_file()
def segment_images(
    segmenter: Segmenter,
    photographs: Sequence[RunImage],
    output: Path,
    *,
    since: int | None = None,
    formats: Collection[str] = ("npz", "png", "coco", "html"),
    levels: Sequence[int] = (4, 8, 16),
    max_regions: int | None = None,
    batch_size: int = 1,
    on_done: Callable[[RunImage, str], None] = lambda image, failure: None,
) -> Report:
    """Segments images into a folder, except for those whose trees are there.

    Trees do not depend on the batch size. Two batches are in memory at most, the next
    being read by a thread; ``coco.json`` and ``index.html`` appear at the end and cover
    every image that could be read. Killed at any moment, the run leaves whole files
    only and can be taken up again.

    Args:
      segmenter: what makes the trees.
      photographs: under distinct names.
      output: the folder; see `settings.claim`.
      since: time in ns from which trees there are used; None: compute all.
      formats: of `export.EXPORTERS`. Without ``npz`` nothing can be skipped later.
      levels: numbers of regions in the overlays.
      max_regions: prune trees to so many leaves; None: leave them.
      batch_size: images that are handed to the device before a result is fetched.
      on_done: called after every image with it and, if it failed, a sentence.

    Returns:
      The numbers of images done, and the failures.

    Raises:
      RunError: a file cannot be written. What is finished stays.
    """
    _sweep(output)
    prepare = functools.partial(
        _read, output=output, since=since if "npz" in formats else None
    )
    counts: collections.Counter[bool] = collections.Counter()
    failures = []
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        options = export.ExportOptions(levels=tuple(levels))
        writer = enter(export.open_formats(formats, output, options))
        items = enter(contextlib.closing(_ahead(prepare, photographs, batch_size)))
        for item in _with_trees(segmenter, items, batch_size, max_regions):
            image, pixels, tree = item.image, item.pixels, item.tree
            reason = item.failure
            if pixels is not None and tree is not None:
                try:
                    writer.add(
                        export.Result(image.name, image.title, pixels, tree),
                        since=since if item.was_there else None,
                    )
                except OSError as error:
                    if error.errno != errno.ENAMETOOLONG:
                        raise  # a full disk would fail the next image as well
                    reason = f"{image.title}: the name is too long for its results."
            if reason:
                failures.append(Failure(image.title, reason))
            elif pixels is not None and tree is not None:
                counts[item.was_there] += 1
            on_done(image, reason)
    return Report(counts[False], counts[True], tuple(failures))


def _read(image: RunImage, *, output: Path, since: int | None) -> _Item:
    """Decodes an image and loads its tree if that is still good."""
    try:
        pixels = images.read_image(image.source)
    except (images.ImageError, OSError) as error:
        return _Item(image, failure=str(error))
    except MemoryError:
        return _Item(
            image, failure=f"{image.source}: too large for the memory there is."
        )
    if since is None:
        return _Item(image, pixels)
    if isinstance(image.source, Path):
        changed = image.source.stat().st_mtime_ns
        # Cameras with wrong clocks date images into the future: no reason to redo.
        since = max(since, changed if changed < time.time_ns() else 0)
    found = export.read_result(
        output, image.name, title=image.title, pixels=pixels, since=since
    )
    tree = None if found is None else found.tree
    return _Item(image, pixels, tree, was_there=found is not None)


def _ahead(
    function: Callable[[RunImage], _Item], photographs: Iterable[RunImage], count: int
) -> Generator[_Item, None, None]:
    """Maps in order, in a thread that is at most ``count`` results ahead."""
    pool = concurrent.futures.ThreadPoolExecutor(1, "uhseg-read")
    waiting: collections.deque[concurrent.futures.Future[_Item]] = collections.deque()
    try:
        for image in photographs:
            waiting.append(pool.submit(function, image))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _with_trees(
    segmenter: Segmenter,
    items: Iterator[_Item],
    batch_size: int,
    max_regions: int | None,
) -> Iterator[_Item]:
    """Computes the trees that are missing, a batch at a time; keeps the order."""
    while batch := list(itertools.islice(items, batch_size)):
        # An image goes through the model by itself: products of other shapes round
        # otherwise, and then trees would depend on the batch. The whole batch is handed
        # to the device before the first result is waited for.
        waiting: collections.deque[tuple[Any, RegionTree]] = collections.deque()
        for item in batch:
            if item.pixels is not None and item.tree is None:
                features = segmenter.features([item.pixels])
                waiting.append((features, segmenter.trees(features)))
        batch.reverse()
        while batch:
            item = batch.pop()  # what has been written is not kept in memory
            if item.pixels is not None and item.tree is None:
                features, trees = waiting.popleft()
                tree = jax.device_get(trees[0])
                if max_regions is not None:
                    tree = jax.device_get(tree.prune(num_regions=max_regions))
                tree = segmenter.refine(tree, features[0], item.pixels)
                item = dataclasses.replace(item, tree=tree)
            yield item


def _sweep(output: Path) -> None:
    """Deletes what killed runs left half-written long ago."""
    for left in output.rglob(".*.part"):
        with contextlib.suppress(OSError):
            age = time.time() - left.stat().st_mtime
            if _LEFT_ASIDE.fullmatch(left.name) and age > _STALE_AFTER:
                left.unlink()
