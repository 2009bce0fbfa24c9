"""Segmenting many images into a folder."""

import collections
import contextlib
import dataclasses
import errno
import functools
import itertools
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax.export.coco import CocoWriter
from uhseg_jax.export.viewer import ViewerWriter
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import ImageError, read_image
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs import hosts, results
from uhseg_jax.runs.batches import SegmentFn, read_ahead
from uhseg_jax.runs.images import RunImage
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

_ALL = ("npz", "png", "coco", "html")
_FOR_ALL = ("coco", "html")  # formats of which a run writes one file


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
    """An image on its way: its pixels and then its tree, or why there are none."""

    image: RunImage
    pixels: UInt8[np.ndarray, "H W 3"] | None = None
    tree: RegionTree | None = None
    was_there: bool = False
    failure: str = ""


def settings_of(segmenter: Segmenter) -> Settings:
    """What the trees of a run depend on, images aside."""
    return describe(
        "segment",
        segmenter.backbone,
        method=segmenter.method.name,
        config=dataclasses.asdict(segmenter.config),
        refinement=dataclasses.asdict(segmenter.refinement),
    )


def claim_images(
    output: Path,
    settings: Settings,
    images: Sequence[RunImage],
    *,
    formats: Collection[str] = _ALL,
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
                files=results.result_files(output, names, formats=formats),
                overwrite=overwrite,
                shared=shard is not None or hosts.index() > 0,
            )
        ),
        name=str(output),
    )
    return since[0]


def segment_images(
    segment: SegmentFn,
    images: Sequence[RunImage],
    output: Path,
    *,
    since: int,
    overwrite: bool = False,
    shard: Share | None = None,
    formats: Collection[str] = _ALL,
    levels: Sequence[int] = (4, 8, 16),
    batch_size: int = 1,
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
      segment: what makes the trees.
      images: all images of the run, under distinct names.
      output: the folder, shared by all processes.
      since: from `claim_images`; trees from then on are used.
      overwrite: compute those as well.
      shard: the images to take, with no other process to wait for; None: this process's
        share of all.
      formats: of `results.FORMATS`. Without ``npz`` nothing can be skipped later.
      levels: numbers of regions in the overlays.
      batch_size: images that are handed to the devices before a result is fetched.
      on_done: called after every image with it and, if it failed, a sentence.

    Returns:
      The numbers of images done by this process, and their failures.

    Raises:
      RunError: a file cannot be written, or another process failed. What is finished
        stays.
    """
    share = shard or hosts.share()
    prepare = functools.partial(
        _read,
        output=output,
        formats=formats,
        since=since if "npz" in formats and not overwrite else None,
    )
    counts: collections.Counter[bool] = collections.Counter()
    failures = []

    @naming_the_file()
    def segment_share() -> None:
        alone = formats if share.count == 1 else ()
        wanted = [images[i] for i in share.of(len(images))]
        with (
            _files_for_all(output, alone) as add,
            contextlib.closing(read_ahead(prepare, wanted, batch_size)) as items,
        ):
            for item in _with_trees(segment, items, batch_size):
                image, pixels, tree = item.image, item.pixels, item.tree
                if pixels is not None and tree is not None:
                    results.write_files(
                        output,
                        image.name,
                        pixels,
                        tree,
                        formats=formats,
                        levels=levels,
                        keep_since=since if item.was_there else None,
                    )
                    add(image, pixels, tree)
                    counts[item.was_there] += 1
                else:
                    failures.append(Failure(image.title, item.failure))
                on_done(image, item.failure)

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
    formats: Collection[str] = _ALL,
    on_done: Callable[[RunImage, str], None] = lambda image, failure: None,
) -> Report:
    """Writes what covers all images, from the results of every one.

    ``coco.json`` and ``index.html`` are those that one process would have written.

    Args:
      images: all images of the run.
      output: the folder with their trees.
      since: time in ns from which trees count; see `record.require`.
      formats: of `results.FORMATS`; those of single images are ignored.
      on_done: called after every image with it and, if it failed, a sentence.

    Returns:
      The number of trees found, and the images that cannot be read.

    Raises:
      RunError: an image has no result, or a file cannot be written.
    """
    if not set(_FOR_ALL) & set(formats):
        return Report(0, 0, ())
    prepare = functools.partial(_read, output=output, formats=formats, since=since)
    missing, failures = [], []
    with (
        _files_for_all(output, formats) as add,
        contextlib.closing(read_ahead(prepare, images, 1)) as items,
    ):
        for item in items:
            if item.failure:
                failures.append(Failure(item.image.title, item.failure))
            elif item.pixels is None or item.tree is None:
                missing.append(item.image.title)
            elif not missing:
                add(item.image, item.pixels, item.tree)
            on_done(item.image, item.failure)
        if missing:
            raise RunError(
                f"{output}: expected a result of every image, but {len(missing)} of "
                f"{len(images)} have none of these settings, the first of them "
                f"{missing[0]}; run their shards (again), then join."
            )
    return Report(0, len(images) - len(failures), tuple(failures))


def _results_in(output: Path) -> Iterator[Path]:
    """Files that runs of any settings left in a folder."""
    yield from (output / name for name in ("coco.json", "index.html"))
    yield from output.rglob("*.npz")
    yield from filter(results.is_own, output.rglob("*.png"))


@contextlib.contextmanager
def _files_for_all(
    output: Path, formats: Collection[str]
) -> Iterator[Callable[[RunImage, UInt8[np.ndarray, "H W 3"], RegionTree], None]]:
    """Opens the files that cover all images and yields what adds one to them."""
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        coco = enter(CocoWriter(output / "coco.json")) if "coco" in formats else None
        page = enter(ViewerWriter(output / "index.html")) if "html" in formats else None

        def add(
            image: RunImage, pixels: UInt8[np.ndarray, "H W 3"], tree: RegionTree
        ) -> None:
            if coco:
                coco.add(image.title, pixels.shape[:2], tree)
            if page:
                page.add(image.title, pixels, tree)

        yield add


def _read(
    image: RunImage, *, output: Path, formats: Collection[str], since: int | None
) -> _Item:
    """Decodes an image and loads its tree if that is still good."""
    try:
        pixels = read_image(image.source)
    except (ImageError, OSError) as error:
        return _Item(image, failure=str(error))
    except MemoryError:
        return _Item(
            image, failure=f"{image.source}: too large for the memory there is."
        )
    if any(map(_is_too_long, results.result_files(output, [image.name], formats))):
        return _Item(
            image, failure=f"{image.title}: the name is too long for its results."
        )
    if since is None:
        return _Item(image, pixels)
    if isinstance(image.source, Path):
        changed = image.source.stat().st_mtime_ns
        # Cameras with wrong clocks date images into the future: no reason to redo.
        since = max(since, changed if changed < time.time_ns() else 0)
    tree = results.load_tree(output, image.name, size=pixels.shape[:2], since=since)
    return _Item(image, pixels, tree, was_there=tree is not None)


def _is_too_long(path: Path) -> bool:
    """Whether a file system has no place for the name, or for that of its part."""
    try:
        os.lstat(path.with_name(f".{path.name}.12345678.part"))
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def _with_trees(
    segment: SegmentFn, items: Iterable[_Item], batch_size: int
) -> Iterator[_Item]:
    """Computes the trees that are missing, a batch at a time; keeps the order."""
    items = iter(items)
    while batch := list(itertools.islice(items, batch_size)):
        found = iter(
            segment(
                [x.pixels for x in batch if x.pixels is not None and x.tree is None]
            )
        )
        batch.reverse()
        while batch:
            item = batch.pop()  # what has been written is not kept in memory
            if item.pixels is not None and item.tree is None:
                item = dataclasses.replace(item, tree=next(found).full)
            yield item
