"""Groups of images on their way through the devices, and back in order.

Each device takes one group at a time, so that one program serves batches of any size.
All groups are handed to the devices before any result is waited for: while they have
the forwards, the host prepares images.
"""

import collections
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from uhseg_jax.batches import filled
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.images import ImageError
from uhseg_jax.memory import ImageMemoryError, blame_image
from uhseg_jax.methods import FunctionMethod
from uhseg_jax.pipeline.given import Given, of_one_shape
from uhseg_jax.pipeline.grid_tree import GridTree
from uhseg_jax.types import Pixels

if TYPE_CHECKING:
    from uhseg_jax.pipeline.segmenter import Segmenter

__all__ = ["Prepare", "segment_in_groups"]

# Of an image what is wanted before it goes to the devices: in any thread.
Prepare = Callable[[], Any]


class _Group(NamedTuple):
    """Images that are with the devices.

    Attributes:
      images: RGB pixels.
      features: of their patches.
      prepared: what the method wanted of the pixels of each.
      tree: waits for that of an image; a method on the host begins then.
    """

    images: Sequence[Pixels]
    features: Any
    prepared: Sequence[Any]
    tree: Callable[[int], GridTree]


def segment_in_groups(
    segmenter: "Segmenter", images: Sequence[Pixels], prepared: Sequence[Prepare]
) -> Iterator[Segmentation]:
    """Segments some images; see `Segmenter.segment`.

    Args:
      segmenter: what they go through.
      images: RGB pixels.
      prepared: gives of each what `Segmenter.prepare` does.
    """
    begun, failure, start = collections.deque[_Group](), None, 0
    while start < len(images) and failure is None:
        stop = start + segmenter.step
        group = images[start:stop]
        features = None if segmenter.source is not None else segmenter.features(group)
        own, failure = _first_ones(prepared[start:stop])
        if features is None:
            own, failure = of_one_shape(own, failure)
        if own and features is None:
            begun.append(_begin_given(segmenter, group, own))
        elif own:
            begun.append(_begin(segmenter, group, features, own))
        start += len(own)
        # Those before a failure come first; whoever calls goes on behind it.
    return _results(segmenter, begun, failure)


def _begin(
    segmenter: "Segmenter", images: Sequence[Pixels], features: Any, own: Sequence[Any]
) -> _Group:
    """Hands a group to the devices, its first images at least.

    Args:
      segmenter: what they go through.
      images: RGB pixels.
      features: of the group, filled up.
      own: what `Segmenter.prepare` gives of the first images.
    """
    if isinstance(segmenter.method, FunctionMethod):
        return _on_host(segmenter, images, features, own)
    found = _fetched(segmenter.trees(features, own))
    return _Group(images, features, own, lambda i: found()[i])


def _begin_given(
    segmenter: "Segmenter", images: Sequence[Pixels], given: Sequence[Given]
) -> _Group:
    """Hands the first images of a group, with features of their own, to the devices."""
    features, own = [x.features for x in given], [x.own for x in given]
    if isinstance(segmenter.method, FunctionMethod):
        return _on_host(segmenter, images, features, own)
    entering = np.stack(filled([x.entering for x in given], segmenter.step))
    found = _fetched(segmenter.trees(entering, given))
    return _Group(images, features, own, lambda i: given[i].on_patches(found()[i]))


def _on_host(
    segmenter: "Segmenter", images: Sequence[Pixels], features: Any, own: Sequence[Any]
) -> _Group:
    """A group that is waited for by a method on the host."""
    method = segmenter.method
    assert isinstance(method, FunctionMethod)

    def tree(i: int) -> GridTree:
        one = np.asarray(features[i])
        return GridTree(method.tree_of(one, images[i], segmenter.config), None)

    return _Group(images, features, own, tree)


def _fetched(trees: GridTree) -> Callable[[], GridTree]:
    """Waits for trees, once."""
    return functools.cache(lambda: jax.device_get(trees))


def _results(
    segmenter: "Segmenter",
    begun: collections.deque[_Group],
    failure: Exception | None,
) -> Iterator[Segmentation]:
    """Waits for what the devices were given, and raises what stopped that.

    Images are let go together with those that go to the devices with them.
    """
    while begun:
        images, features, prepared, tree_of = begun.popleft()
        for i, own in enumerate(prepared):
            image = images[i]
            with blame_image(image, "make it smaller, or give --refine=none"):
                one = tree_of(i)
                tree = segmenter.refine(one, features[i], image, own)
            grid = one.on_grid(features[i].shape[:2])
            yield Segmentation(tree=tree, grid=grid, features=features[i])
    if failure is not None:
        raise failure


def _first_ones(
    prepared: Sequence[Prepare],
) -> tuple[Sequence[Any], Exception | None]:
    """What was prepared, up to the first image that cannot be, and why it cannot."""
    own: list[Any] = []
    try:
        own.extend(x() for x in prepared)
    except (ImageError, ImageMemoryError) as error:
        return own, error
    return own, None
