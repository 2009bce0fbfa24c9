"""Images on their way: read ahead by a thread, segmented a batch at a time."""

import collections
import concurrent.futures
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import jax
import numpy as np

from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.types import UInt8

__all__ = ["SegmentFn", "Segmentation", "read_ahead", "segment_batch"]

Key = TypeVar("Key")
Item = TypeVar("Item")


class Segmentation(NamedTuple):
    """The tree of one image.

    Attributes:
      grid: on the patch grid.
      full: the same with its leaves at the pixels of the image.
    """

    grid: RegionTree
    full: RegionTree


# Segments the images of a batch, one after the other as they are asked for. What it
# makes of an image depends on no other image of the batch.
SegmentFn = Callable[[Sequence[UInt8[np.ndarray, "_ _ 3"]]], Iterable[Segmentation]]


def read_ahead(
    read: Callable[[Key], Item], keys: Iterable[Key], count: int
) -> Generator[Item, None, None]:
    """Maps in order, in a thread that is at most ``count`` results ahead."""
    pool = concurrent.futures.ThreadPoolExecutor(1, "uhseg-read")
    waiting: collections.deque[concurrent.futures.Future[Item]] = collections.deque()
    try:
        for key in keys:
            waiting.append(pool.submit(read, key))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def segment_batch(
    segmenter: Segmenter, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]
) -> Iterator[Segmentation]:
    """Segments images of any sizes; of any number with the same result.

    Each device takes one image at a time: products of other shapes round otherwise, and
    then trees would depend on the batch. The whole batch is handed to the devices
    before the first result is waited for, and images are refined when they are asked
    for.
    """
    devices = 1 if segmenter.mesh is None else segmenter.mesh.size
    groups = [images[i : i + devices] for i in range(0, len(images), devices)]
    handed: collections.deque = collections.deque()
    for group in groups:
        features = segmenter.features(group)
        handed.append((features, segmenter.trees(features)))
    for group in groups:
        features, trees = handed.popleft()
        trees = jax.device_get(trees)
        for i, image in enumerate(group):
            full = segmenter.refine(trees[i], features[i], image)
            yield Segmentation(trees[i], full)
