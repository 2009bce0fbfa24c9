"""Segmenting many images into a folder."""

import collections
import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from uhseg_jax import export
from uhseg_jax.export.png_files import is_own
from uhseg_jax.images import read_image
from uhseg_jax.methods.method import Collection
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs import hosts
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.items import read_item, segment_items
from uhseg_jax.runs.read_ahead import read_ahead
from uhseg_jax.runs.record import RECORD, Claim, RunError, claim, naming_the_file
from uhseg_jax.runs.settings import Settings, describe
from uhseg_jax.runs.shards import Share

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


def settings_of(segmenter: Segmenter, images: Sequence[RunImage]) -> Settings:
    """What the results of a run depend on."""
    return describe("segment", segmenter, [f"{x.name}\0{_identity(x)}" for x in images])


def _identity(image: RunImage) -> str:
    """A text that changes when the image does, without reading its file."""
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
) -> Claim:
    """Makes a folder the output of runs with these settings; see `record.claim`.

    The processes of `jax.distributed` call it together; shards need not.
    """
    names = [x.name for x in images]
    claims: list[Claim] = []
    hosts.first_then_others(
        lambda: claims.append(
            claim(
                output,
                settings,
                results=_results_in(output),
                files=()
                if (output / RECORD).exists()
                else [output / x for x in export.result_files(formats, names)],
                forget=output.glob("passes/seed-*/*.npz") if overwrite else (),
                overwrite=overwrite,
                shared=shard is not None or hosts.index() > 0,
            )
        ),
        name=str(output),
    )
    return claims[0]


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
            read_item,
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
            for item in segment_items(fitted, items, batch_size):
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
    formats = [x for x in formats if not export.EXPORTERS.find(x).per_image]
    prepare = functools.partial(
        read_item, images, output=output, formats=formats, since=since
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
                f"{missing[0]}; segment those into this folder, then join."
            )
    return Report(0, len(images) - len(failures), tuple(failures))


def _results_in(output: Path) -> Iterator[Path]:
    """Files that runs of any settings left in a folder."""
    yield from (output / name for name in ("coco.json", "index.html"))
    yield from output.rglob("*.npz")
    yield from filter(is_own, output.rglob("*.png"))
