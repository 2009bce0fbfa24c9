"""Segmenting many images into a folder."""

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

from uhseg_jax import export
from uhseg_jax.methods.fitted import Collection, Fitted
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs import hosts
from uhseg_jax.runs.claims import Claim
from uhseg_jax.runs.flow import Stages, drained, in_flow
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.items import (
    Item,
    read_item,
    render_item,
    segment_items,
    write_item,
)
from uhseg_jax.runs.names import Complete
from uhseg_jax.runs.record import RunError, naming_the_file
from uhseg_jax.runs.settings import Settings, describe
from uhseg_jax.runs.shards import Share

__all__ = [
    "Failure",
    "Report",
    "join_results",
    "require_features",
    "segment_images",
    "settings_of",
]

_Finished = tuple[Item, export.Rendered | None]


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
      undivided: titles of images whose trees have one region only.
    """

    segmented: int
    skipped: int
    failures: tuple[Failure, ...]
    undivided: tuple[str, ...] = ()


def settings_of(segmenter: Segmenter, images: Sequence[RunImage]) -> Settings:
    """What the results of a run depend on.

    Where a method learns from all images they are read for it.
    """
    identities = (f"{x.name}\0{x.identity}" for x in images)
    bands = images[0].decoding.bands if images else None
    others = {} if bands is None else {"bands": bands}
    return describe("segment", segmenter, identities, **others)


def segment_images(
    segmenter: Segmenter,
    images: Sequence[RunImage],
    claimed: Claim,
    *,
    shard: Share | None = None,
    formats: Sequence[str] = export.DEFAULT_FORMATS,
    options: export.ExportOptions | None = None,
    complete: Complete | None = None,
    batch_size: int = 1,
    on_pass: Callable[[str, int], None] = lambda stage, index: None,
    on_done: Callable[[RunImage, str], None] = lambda image, failure: None,
) -> Report:
    """Segments images into a folder, except for those whose trees are there.

    A tree is there if it was made of the very bytes of the image, with the settings of
    the claim. Trees do not depend on the batch size. Threads read, prepare and draw
    images while the devices have others (`flow.in_flow`); ``coco.json`` and
    ``index.html`` appear at the end and cover every image that has a result. Killed at
    any moment, the run leaves whole files only and can be taken up again.

    The processes of `jax.distributed` share the images and the folder; when all have
    finished, the first joins the results. Those of a shard are left for `join_results`.

    Args:
      segmenter: what makes the trees.
      images: all images of the run, under distinct names.
      claimed: the folder, of `claim_images`. One that overwrites has all trees computed
        again.
      shard: the images to take, with no other process to wait for; None: this process's
        share of all.
      formats: of `export.EXPORTERS`. Without ``npz`` no tree is kept for later runs.
      options: what the formats show of the trees; None for the default. Categories are
        those that the method finds.
      complete: what every result gets before it is written, such as names.
      batch_size: images that are handed to the devices before a result is fetched.
      on_pass: called with the name of a pass and an index after every image, where a
        method learns from all images first.
      on_done: called after every image with it and, if it failed, a sentence.

    Returns:
      The numbers of images done by this process, and their failures.

    Raises:
      RunError: nothing can be written, another process failed, or the method has no
        features for descriptors that are wanted. What is finished stays.
      ImageError: a method learns from all images, and not one can be read.
    """
    require_features(segmenter, formats)
    share = shard or hosts.share()
    counts: collections.Counter[bool] = collections.Counter()
    failures, undivided = [], []

    @naming_the_file()
    def segment_share() -> None:
        fitted = segmenter.fit(
            Collection(
                read=lambda index: images[index].read()[0],
                count=len(images),
                folder=claimed.output,
                settings=claimed.settings_sha256,
                is_share=share.count > 1,
                on_image=on_pass,
            )
        )
        read = functools.partial(
            read_item,
            images,
            claim=claimed,
            formats=formats,
            anew=claimed.overwrite,
        )
        own = [
            x for x in formats if share.count == 1 or export.EXPORTERS.find(x).per_image
        ]
        found = dataclasses.replace(
            options or export.ExportOptions(), num_categories=fitted.num_categories
        )
        wanted = share.of(len(images))
        with (
            export.open_formats(own, claimed, found) as writer,
            _in_flow(
                read,
                wanted,
                # Formats of single images hold nothing of it.
                functools.partial(
                    render_item,
                    writer,
                    complete=complete if share.count == 1 else None,
                ),
                batch_size,
                fitted,
            ) as flow,
        ):
            for item, rendered in flow:
                written = write_item(writer, item, rendered)
                if written.failure:
                    failures.append(Failure(item.image.title, written.failure))
                else:
                    counts[item.was_there] += 1
                    if _is_undivided(written):
                        undivided.append(item.image.title)
                on_done(item.image, written.failure)

    def join() -> None:
        if hosts.index() == 0:
            join_results(
                images, claimed, formats=formats, options=options, complete=complete
            )

    hosts.all_succeed(segment_share, name="segmenting")
    if shard is None and share.count > 1:
        hosts.all_succeed(join, name="joining the results")
    return Report(counts[False], counts[True], tuple(failures), tuple(undivided))


def require_features(segmenter: Segmenter, formats: Sequence[str]) -> None:
    """Refuses descriptors where features say nothing of regions.

    Raises:
      RunError: the method has no features that do.
    """
    method = segmenter.method
    if "descriptors" in formats and not method.describes(segmenter.config):
        raise RunError(
            f"--format=descriptors does not go with --method={method.name}, which has "
            "no features of patches that tell what is in a region; leave it out, or "
            "give another --method."
        )


def _is_undivided(item: Item) -> bool:
    """Whether the tree of an image is the whole image alone."""
    return item.result is not None and int(item.result.tree.num_nodes) == 1


@naming_the_file()
def join_results(
    images: Sequence[RunImage],
    claimed: Claim,
    *,
    formats: Sequence[str] = export.DEFAULT_FORMATS,
    options: export.ExportOptions | None = None,
    complete: Complete | None = None,
    on_done: Callable[[RunImage, str], None] = lambda image, failure: None,
) -> Report:
    """Writes what covers all images, from the results of every one.

    ``coco.json`` and ``index.html`` are those that one process would have written.
    Results may come from other disks: only what they were made of counts.

    Args:
      images: all images of the run.
      claimed: the folder with their trees, of `claim_joined`.
      formats: of `export.EXPORTERS`; those of single images are ignored.
      options: what they show of the trees; None for the default.
      complete: what every result gets before it is written, such as names.
      on_done: called after every image with it and, if it failed, a sentence.

    Returns:
      The number of trees found, and the images that cannot be read.

    Raises:
      RunError: an image has no result, or a file cannot be written.
    """
    formats = [x for x in formats if not export.EXPORTERS.find(x).per_image]
    read = functools.partial(
        read_item, images, claim=claimed, formats=formats, anew=False
    )
    output, options = claimed.output, options or export.ExportOptions()
    missing: list[str] = []
    failures = []

    def finish(item: Item) -> _Finished:
        # Nothing is written where one is missing.
        return (item, None) if missing else render_item(writer, item, complete=complete)

    with (
        export.open_formats(formats, claimed, options) as writer,
        _in_flow(read, range(len(images)), finish) as flow,
    ):
        for item, rendered in flow:
            if item.is_waiting:
                missing.append(item.image.title)
            elif not missing:
                item = write_item(writer, item, rendered)
            if item.failure:
                failures.append(Failure(item.image.title, item.failure))
            on_done(item.image, item.failure)
        if missing:
            raise RunError(
                f"{output}: expected a result of every image, but {len(missing)} of "
                f"{len(images)} have none of these settings and these very images, the "
                f"first of them {missing[0]}; segment those into this folder, then "
                "join."
            )
    return Report(0, len(images) - len(failures), tuple(failures))


def _in_flow(
    read: Callable[[int], Item],
    indices: Iterable[int],
    finish: Callable[[Item], _Finished],
    batch_size: int = 1,
    fitted: Fitted | None = None,
) -> contextlib.closing[Generator[_Finished, None, None]]:
    """Images with what is to be written of them; segmented, where a method is given."""

    def prepare(item: Item) -> Any:
        if fitted is None or item.pixels is None or not item.is_waiting:
            return None
        return fitted.prepare(item.pixels, name=item.image.title)

    def segment(items: Sequence[Item], prepared: Sequence[Any]) -> Iterator[Item]:
        if fitted is None:
            return drained(items)
        return segment_items(fitted, items, prepared)

    stages = Stages(
        read=read,
        prepare=prepare,
        segment=segment,
        finish=finish,
        size=lambda item: item.size,
    )
    return contextlib.closing(in_flow(stages, indices, batch_size))
