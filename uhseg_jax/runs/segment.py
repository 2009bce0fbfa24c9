"""Segmenting many images into a folder."""

import collections
import contextlib
import dataclasses
import errno
import functools
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax import export
from uhseg_jax.export.png_files import is_own
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.images import ImageError, read_image
from uhseg_jax.methods.method import Collection, Fitted
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs import hosts
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.read_ahead import read_ahead
from uhseg_jax.runs.record import RunError, Settings, claim, describe, naming_the_file
from uhseg_jax.runs.shards import Share
from uhseg_jax.types import UInt8

__all__ = [
    "Failure",
    "Report",
    "claim_images",
    "join_results",
    "segment_images",
    "settings_of",
]


@dataclasses.dataclass(frozen=True)
class Failure:
    """An image without a result: its title, and a sentence on why."""

    title: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Report:
    """What a process did.

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
    """An image on its way.

    Attributes:
      index: in the run.
      image: of that index.
      pixels: None if the image failed.
      result: once it is known.
      was_there: whether the results are there.
      failure: a sentence on why there is no result; empty if there is one.
    """

    index: int
    image: RunImage
    pixels: UInt8[np.ndarray, "H W 3"] | None = None
    result: export.Result | None = None
    was_there: bool = False
    failure: str = ""


def settings_of(segmenter: Segmenter, images: Sequence[RunImage]) -> Settings:
    """What the results of a run depend on."""
    return describe("segment", segmenter, [f"{x.name}\0{_identity(x)}" for x in images])


def _identity(image: RunImage) -> str:
    """Tells an image file from what it may become."""
    if not isinstance(image.source, Path):
        return hashlib.sha256(image.source.tobytes()).hexdigest()
    try:
        stat = image.source.stat()
    except OSError:
        return "absent"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def claim_images(
    output: Path,
    settings: Settings,
    images: Sequence[RunImage],
    *,
    formats: Sequence[str] = export.DEFAULT_FORMATS,
    shard: Share | None = None,
    overwrite: bool = False,
) -> int:
    """Makes a folder the output of runs with these settings; see `record.claim`.

    The processes of `jax.distributed` call it together; shards need not.
    """
    names = [x.name for x in images]
    since = []
    hosts.first_then_others(
        lambda: since.append(
            claim(
                output,
                settings,
                results=_results_in(output),
                files=[output / x for x in export.result_files(formats, names)],
                overwrite=overwrite,
                shared=shard is not None or hosts.index() > 0,
            )
        ),
        name=str(output),
    )
    return since[0]


def segment_images(
    segmenter: Segmenter,
    images: Sequence[RunImage],
    output: Path,
    *,
    since: int,
    overwrite: bool = False,
    shard: Share | None = None,
    formats: Sequence[str] = export.DEFAULT_FORMATS,
    levels: Sequence[int] = (4, 8, 16),
    batch_size: int = 1,
    on_pass: Callable[[str, int], None] = lambda stage, index: None,
    on_done: Callable[[RunImage, str], None] = lambda image, failure: None,
) -> Report:
    """Segments images into a folder, except for those whose trees are there.

    Trees do not depend on the batch size. Two batches are in memory at most, the next
    being read by a thread; ``coco.json`` and ``index.html`` appear at the end and cover
    every image that could be read. Killed at any moment, the run leaves whole files
    only and can be taken up again.

    The processes of `jax.distributed` share the images and the folder; when all have
    finished, the first joins the results. Those of a shard are left for `join_results`.

    Args:
      segmenter: what makes the trees.
      images: all images of the run, under distinct names.
      output: the folder, shared by all processes.
      since: from `claim_images`; trees from then on are used.
      overwrite: compute those as well.
      shard: the images to take, with no other process to wait for; None: this process's
        share of all.
      formats: of `export.EXPORTERS`. Without ``npz`` nothing can be skipped later.
      levels: numbers of regions in the overlays.
      batch_size: images that are handed to the devices before a result is fetched.
      on_pass: called with the name of a pass and an index after every image, where a
        method learns from all images first.
      on_done: called after every image with it and, if it failed, a sentence.

    Returns:
      The numbers of images done by this process, and their failures.

    Raises:
      RunError: a file cannot be written, or another process failed. What is finished
        stays.
      ImageError: a method learns from all images, and not one can be read.
    """
    share = shard or hosts.share()
    counts: collections.Counter[bool] = collections.Counter()
    failures = []

    @naming_the_file()
    def segment_share() -> None:
        fitted = segmenter.fit(
            Collection(
                read=lambda index: read_image(images[index].source),
                count=len(images),
                folder=output,
                is_fresh=overwrite,
                is_share=share.count > 1,
                on_image=on_pass,
            )
        )
        prepare = functools.partial(
            _read,
            images,
            output=output,
            formats=formats,
            since=since if "npz" in formats and not overwrite else None,
        )
        own = [
            x for x in formats if share.count == 1 or export.EXPORTERS.find(x).per_image
        ]
        options = export.ExportOptions(tuple(levels), fitted.num_categories)
        wanted = share.of(len(images))
        with (
            export.open_formats(own, output, options) as writer,
            contextlib.closing(read_ahead(prepare, wanted, batch_size)) as items,
        ):
            for item in _segmented(fitted, items, batch_size):
                if item.result is None:
                    failures.append(Failure(item.image.title, item.failure))
                else:
                    writer.add(item.result, since=since if item.was_there else None)
                    counts[item.was_there] += 1
                on_done(item.image, item.failure)

    def join() -> None:
        if hosts.index() == 0:
            join_results(images, output, since=since, formats=formats)

    hosts.all_succeed(segment_share, name="segmenting")
    if shard is None and share.count > 1:
        hosts.all_succeed(join, name="joining the results")
    return Report(counts[False], counts[True], tuple(failures))


@naming_the_file()
def join_results(
    images: Sequence[RunImage],
    output: Path,
    *,
    since: int,
    formats: Sequence[str] = export.DEFAULT_FORMATS,
    on_done: Callable[[RunImage, str], None] = lambda image, failure: None,
) -> Report:
    """Writes what covers all images, from the results of every one.

    ``coco.json`` and ``index.html`` are those that one process would have written.

    Args:
      images: all images of the run.
      output: the folder with their trees.
      since: time in ns from which trees count; see `record.require`.
      formats: of `export.EXPORTERS`; those of single images are ignored.
      on_done: called after every image with it and, if it failed, a sentence.

    Returns:
      The number of trees found, and the images that cannot be read.

    Raises:
      RunError: an image has no result, or a file cannot be written.
    """
    formats = sorted(_of_the_run(formats))
    prepare = functools.partial(
        _read, images, output=output, formats=formats, since=since
    )
    missing, failures = [], []
    with (
        export.open_formats(formats, output, export.ExportOptions()) as writer,
        contextlib.closing(read_ahead(prepare, range(len(images)), 1)) as items,
    ):
        for item in items:
            if item.failure:
                failures.append(Failure(item.image.title, item.failure))
            elif item.result is None:
                missing.append(item.image.title)
            elif not missing:
                writer.add(item.result)
            on_done(item.image, item.failure)
        if missing:
            raise RunError(
                f"{output}: expected a result of every image, but {len(missing)} of "
                f"{len(images)} have none of these settings, the first of them "
                f"{missing[0]}; run their shards (again), then join."
            )
    return Report(0, len(images) - len(failures), tuple(failures))


def _of_the_run(formats: Sequence[str]) -> set[str]:
    """The formats of which a run has one file."""
    return {x for x in formats if not export.EXPORTERS.find(x).per_image}


def _results_in(output: Path) -> Iterator[Path]:
    """Files that runs of any settings left in a folder."""
    yield from (output / name for name in ("coco.json", "index.html"))
    yield from output.rglob("*.npz")
    yield from filter(is_own, output.rglob("*.png"))


def _read(
    images: Sequence[RunImage],
    index: int,
    *,
    output: Path,
    formats: Sequence[str],
    since: int | None,
) -> _Item:
    """Decodes an image, and loads its result if that is still good."""
    image = images[index]
    item = _Item(index, image)
    try:
        pixels = read_image(image.source)
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
    if isinstance(image.source, Path):
        changed = image.source.stat().st_mtime_ns
        # Cameras with wrong clocks date images into the future: no reason to redo.
        since = max(since, changed if changed < time.time_ns() else 0)
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


def _segmented(
    fitted: Fitted, items: Iterable[_Item], batch_size: int
) -> Iterator[_Item]:
    """Segments the images that are not yet, a batch at a time; keeps the order."""
    items = iter(items)
    while batch := list(itertools.islice(items, batch_size)):
        waiting = [x for x in batch if x.pixels is not None and x.result is None]

        def segment_rest(waiting: list[_Item] = waiting) -> Iterator[Segmentation]:
            indices, pixels = [x.index for x in waiting], [x.pixels for x in waiting]
            return iter(fitted.segment(indices, pixels))

        found = segment_rest()
        batch.reverse()
        while batch:
            item = batch.pop()  # what has been written is not kept in memory
            if waiting and item is waiting[0]:
                waiting.pop(0)
                try:
                    item = _with_result(item, next(found))
                except ImageError as error:  # it could not be read by a pass before
                    item = dataclasses.replace(item, failure=str(error))
                    found = segment_rest()
            yield item


def _with_result(item: _Item, found: Segmentation) -> _Item:
    assert item.pixels is not None
    image = item.image
    result = export.Result(
        image.name,
        image.title,
        item.pixels,
        found.tree,
        found.categories,
        found.distances,
    )
    return dataclasses.replace(item, result=result)
