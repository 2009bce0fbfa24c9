"""One image of a run on its way from its file to its result."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from uhseg_jax import export
from uhseg_jax.hierarchy.descriptors.descriptor_file import beside, rounded
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.images import ImageError
from uhseg_jax.memory import ImageMemoryError
from uhseg_jax.methods.fitted import Fitted
from uhseg_jax.runs.claims import Claim
from uhseg_jax.runs.flow import drained
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.names import Complete
from uhseg_jax.runs.record import RunError, sentence_of
from uhseg_jax.types import Array, Float, UInt8

__all__ = [
    "Item",
    "read_item",
    "render_item",
    "segment_items",
    "write_item",
]


@dataclasses.dataclass(frozen=True)
class Item:
    """An image on its way.

    Attributes:
      index: its position in the run.
      image: where it is read from, and what its results are called.
      pixels: the image, decoded; None if it cannot be had.
      provenance: what its result is made of; None with ``pixels``.
      result: what was found in it; None until that is known.
      was_there: whether an earlier run found it.
      failure: a sentence on why there is no result; empty if there is one.
      wants_features: whether its result is to have descriptors.
      features: of its patches, for descriptors that its result has not; None until they
        are known.
    """

    index: int
    image: RunImage
    pixels: UInt8[np.ndarray, "H W 3"] | None = None
    provenance: export.Provenance | None = None
    result: export.Result | None = None
    was_there: bool = False
    failure: str = ""
    wants_features: bool = False
    features: Float[Array | np.ndarray, "h w d"] | None = None

    @property
    def size(self) -> int:
        """Bytes of its arrays, nearly."""
        # Labels, of a result and of superpixels, have four bytes, pixels three.
        return 0 if self.pixels is None else 4 * self.pixels.nbytes

    @property
    def is_waiting(self) -> bool:
        """Whether it is to be segmented."""
        return self.result is None and not self.failure

    @property
    def lacks_features(self) -> bool:
        """Whether its tree is there, but no descriptors that are wanted."""
        return (
            self.wants_features
            and self.result is not None
            and self.result.descriptors is None
        )

    def failed(self, sentence: str) -> "Item":
        """The item without a result."""
        return dataclasses.replace(self, result=None, failure=sentence)


# With what waits for what the method finds in its pixels.
_Waiting = tuple[Item, Callable[[], Any]]
# Hands items to the devices; what is returned waits for what they find.
_Begin = Callable[[Sequence[_Waiting]], Iterator[Item]]


def read_item(
    images: Sequence[RunImage],
    index: int,
    *,
    claim: Claim,
    formats: Sequence[str],
    anew: bool,
) -> Item:
    """Decodes an image, and loads its result if that is still good.

    Args:
      images: of the run.
      index: of the image.
      claim: of the output folder.
      formats: that will be written.
      anew: leave a result that is there alone.
    """
    image = images[index]
    item = Item(index, image)
    obstacle = image.problem or _obstacle(image, claim, formats)
    if obstacle:
        return item.failed(obstacle)
    try:
        pixels, digest = image.read()
        features = image.features_digest()
    except ImageError as error:
        return item.failed(str(error))
    made_of = export.Provenance(claim.settings_sha256, digest, features)
    wanted = "descriptors" in formats
    item = dataclasses.replace(
        item, pixels=pixels, provenance=made_of, wants_features=wanted
    )
    if anew:
        return item
    result = export.read_result(
        claim.output, image.name, title=image.title, pixels=pixels, provenance=made_of
    )
    uses = any(x.uses_descriptors for x in map(export.EXPORTERS.find, formats))
    if result is not None and uses:
        path = beside(claim.output / f"{image.name}.npz")
        descriptors = export.read_descriptors(path, result)
        result = dataclasses.replace(result, descriptors=descriptors)
    return dataclasses.replace(item, result=result, was_there=result is not None)


def _obstacle(image: RunImage, claim: Claim, formats: Sequence[str]) -> str:
    """Why the files of an image cannot be written, in a sentence; or nothing."""
    for exporter in map(export.EXPORTERS.find, formats):
        for file in exporter.files([image.name]) if exporter.per_image else ():
            if sentence := claim.obstacle(claim.output / file, exporter.is_own):
                return sentence
    return ""


def segment_items(
    fitted: Fitted,
    items: Sequence[Item],
    prepared: Sequence[Callable[[], Any]],
) -> Iterator[Item]:
    """Segments the images of a batch that are to be; keeps the order, and no item.

    They are with the devices when this returns. Where trees are there without the
    descriptors that are wanted, only features are found.

    Args:
      fitted: what segments them.
      items: of the batch.
      prepared: as for `Fitted.segment`, of each item.
    """
    pairs = [*zip(items, prepared, strict=True)]
    waiting = [pair for pair in pairs if pair[0].is_waiting]
    lacking = [pair for pair in pairs if pair[0].lacks_features]
    done = _one_by_one(functools.partial(_segmented, fitted), waiting)
    described = _one_by_one(functools.partial(_with_features, fitted), lacking)
    return (
        next(done) if x.is_waiting else next(described) if x.lacks_features else x
        for x in drained(items)
    )


def _segmented(fitted: Fitted, waiting: Sequence[_Waiting]) -> Iterator[Item]:
    """Items with their results; they are with the devices when this returns."""
    items, prepared = zip(*waiting, strict=True)
    images = [x.pixels for x in items]
    begun = fitted.segment([x.index for x in items], images, prepared)
    return map(_with_result, drained(items), begun)


def _with_features(fitted: Fitted, lacking: Sequence[_Waiting]) -> Iterator[Item]:
    """Items with their features; as above."""
    items = [item for item, _ in lacking]
    images = [x.pixels for x in items if x.pixels is not None]
    begun = fitted.features_of(images, [x.image.title for x in items])
    return (
        dataclasses.replace(item, features=features)
        for item, features in zip(drained(items), begun, strict=True)
    )


def _one_by_one(begin: _Begin, waiting: Sequence[_Waiting]) -> Iterator[Item]:
    """Items with what was found; those that have nothing have failed.

    What is behind one that fails begins anew.
    """
    return _goes_on(begin, waiting, begin(waiting) if waiting else iter(()))


def _goes_on(
    begin: _Begin, waiting: Sequence[_Waiting], begun: Iterator[Item]
) -> Iterator[Item]:
    while waiting:
        try:
            for found in begun:
                _, *waiting = waiting
                yield found
        except (ImageError, ImageMemoryError) as error:
            (item, _), *waiting = waiting
            title, sentence = item.image.title, str(error)
            # What could not be read by a pass before is named; pixels have no name.
            named = sentence if title in sentence else f"{title}: {sentence}"
            yield item.failed(named)
            begun = begin(waiting) if waiting else iter(())


def _with_result(item: Item, found: Segmentation) -> Item:
    assert item.pixels is not None
    result = export.Result(
        item.image.name,
        item.image.title,
        item.pixels,
        found.tree,
        found.categories,
        found.distances,
        item.provenance,
        place=item.image.place,
    )
    features = found.features if item.wants_features else None
    return dataclasses.replace(item, result=result, features=features)


def render_item(
    writer: export.Writer, item: Item, *, complete: Complete | None = None
) -> tuple[Item, export.Rendered | None]:
    """What is to be written of an image, in any thread.

    If it cannot have its files, the item has failed.

    Args:
      writer: of the formats.
      item: the image with its result, if there is one.
      complete: what a result gets before it is written, such as names.

    Raises:
      OSError: nothing can be read.
    """
    if item.result is None:
        return item, None
    try:
        result = complete(item.result) if complete else item.result
        if item.features is not None:
            # As a later run reads them, so that all runs write the same page.
            descriptors = rounded(result.tree.describe(item.features))
            result = dataclasses.replace(result, descriptors=descriptors)
        return item, writer.render(result, keep=item.was_there)
    except (ValueError, OSError) as error:  # a format cannot hold it
        return item.failed(sentence_of(error)), None


def write_item(
    writer: export.Writer, item: Item, rendered: export.Rendered | None
) -> Item:
    """Writes what was rendered; if the image cannot have its files, it has failed.

    Raises:
      OSError: nothing can be written, such as on a full disk.
    """
    if rendered is None:
        return item
    try:
        writer.put(rendered)
    except (ValueError, RunError, OSError) as error:  # it may not have its files
        return item.failed(sentence_of(error))
    return item
