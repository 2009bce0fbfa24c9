"""Objects as COCO's files list them, checked, and what sources of such share.

An annotation has a ``segmentation`` (polygons, or run lengths compressed or not), and
perhaps an ``area``, else the pixels of its mask, and ``iscrowd``, else 0. Everything
else, classes among it, is of no matter here.
"""

import dataclasses
import hashlib
import math
import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from uhseg_jax.datasets.identity import content_of
from uhseg_jax.datasets.image_files import possible_sizes, read_pixels
from uhseg_jax.datasets.objects import Objects, image_id_of
from uhseg_jax.datasets.pairs import MANY, Pair
from uhseg_jax.datasets.source import DatasetError, Example, reading, stop_at
from uhseg_jax.images import read_file
from uhseg_jax.run_lengths import RLE, compress, decode, expand
from uhseg_jax.taxonomy import Case, Taxonomy
from uhseg_jax.types import UInt8

__all__ = [
    "ListedImage",
    "ListedObject",
    "ListedSource",
    "integer_id",
    "read_object",
    "read_size",
    "require_sizes",
]

_BACKGROUND, _OBJECT, _CROWD = 0, 1, 255
_TAXONOMY = Taxonomy.from_rows(
    [
        ("background", _BACKGROUND, Case.BACKGROUND, 0),
        ("object", _OBJECT, Case.FOREGROUND, 0),
        ("crowd", _CROWD, Case.IGNORE, 0),
    ]
)
_AROUND = 1.0  # pixels that polygons may leave the image by; annotators round


@dataclasses.dataclass(frozen=True, slots=True)
class ListedObject:
    """One annotation.

    Attributes:
      counts: of its mask, compressed.
      area: as the file has it.
      crowd: whether it is one.
      pixels: of its mask.
    """

    counts: bytes
    area: float
    crowd: bool
    pixels: int


@dataclasses.dataclass(frozen=True)
class ListedImage:
    """What a file says of one image.

    Attributes:
      image_id: its id as an integer.
      size: height and width.
      listed: its annotations, in order.
    """

    image_id: int
    size: tuple[int, int]
    listed: Sequence[ListedObject]

    def objects(self) -> Objects:
        """Its objects and crowds, in order."""
        return Objects(
            tuple(self._rle(x) for x in self.listed),
            np.array([x.area for x in self.listed], np.float64),
            np.array([x.crowd for x in self.listed], bool),
            self.image_id,
        )

    def labels(self) -> UInt8[np.ndarray, "H W"]:
        """1 where an object is, 255 where only a crowd is, 0 elsewhere."""
        from pycocotools import mask as coco_mask

        labels = np.full(self.size, _BACKGROUND, np.uint8)
        for crowd, label in ((True, _CROWD), (False, _OBJECT)):
            masks = [self._rle(x) for x in self.listed if x.crowd == crowd]
            if masks:
                labels[decode(coco_mask.merge(masks))] = label
        return labels

    def _rle(self, listed: ListedObject) -> RLE:
        return {"size": [*self.size], "counts": listed.counts}


class ListedSource:
    """A dataset whose files list the objects of every image.

    Attributes:
      name: of the dataset, for reports.
      taxonomy: of the labels: background 0, object 1, and 255, which does not count,
        for crowds.
    """

    name: str
    taxonomy: Taxonomy = _TAXONOMY
    _pairs: Sequence[Pair]
    _contents: list[str] | None = None  # of the images, once they were looked at

    def __len__(self) -> int:
        """Number of images."""
        return len(self._pairs)

    def fingerprint(self) -> str:
        """Of the names, and of the bytes of the files, which are read once for it.

        From then on `__getitem__` refuses images that are others by now.

        Raises:
          DatasetError: a file cannot be read.
        """
        if self._contents is None:
            few = len(self._pairs) < MANY or None
            bar = tqdm(self._pairs, desc="contents", unit="image", disable=few)
            self._contents = [content_of(pair.image) for pair in bar]
        names = [pair.name for pair in self._pairs]
        known = repr((names, self._contents, self._annotations_digest()))
        return hashlib.sha256(os.fsencode(known)).hexdigest()

    def __getitem__(self, index: int) -> Example:
        """Reads the image at a position.

        Raises:
          IndexError: there is no such position.
          DatasetError: a file cannot be read or is another by now (`fingerprint`).
        """
        pair = self._pairs[index]
        with reading(pair.image, "an image of the dataset", advice="put it back"):
            content = read_file(pair.image)
        found = hashlib.sha256(content).hexdigest()
        if self._contents is not None and found != self._contents[index]:
            raise changed(pair.image)
        listed = self._listed(index)
        pixels = read_pixels(pair.image, listed.size, content=content)
        return Example(pair.name, pixels, listed.labels(), objects=listed.objects())

    def _annotations_digest(self) -> str:
        """Of the bytes of the annotations."""
        raise NotImplementedError

    def _listed(self, index: int) -> ListedImage:
        raise NotImplementedError


def changed(path: Path) -> DatasetError:
    """The error that a file is another than at the beginning."""
    return DatasetError(
        f"{path}: has changed since the evaluation began; begin again when the files "
        "are as they should be."
    )


def integer_id(value: Any) -> int:
    """The id of an image as an integer; texts (ADE20K's) become numbers.

    Raises:
      ValueError: it is neither an integer of 64 bits nor a text.
    """
    if isinstance(value, str) and value:
        return image_id_of(value)
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise ValueError(f"expected an integer or a text as id, but found {_shown(value)}")


def read_size(image: dict[str, Any]) -> tuple[int, int]:
    """Height and width of a listed image.

    Raises:
      ValueError: they are no positive integers.
    """
    height, width = image.get("height"), image.get("width")
    if type(height) is int and type(width) is int and height > 0 and width > 0:
        return height, width
    raise ValueError(
        "expected height and width in pixels, positive integers, but found "
        f"{_shown(height)} and {_shown(width)}"
    )


def require_sizes(pairs: Sequence[Pair], *, where: object) -> None:
    """Checks from the headers that images are there and as large as their files say.

    Args:
      pairs: images, each with its `ListedImage` as note.
      where: what lists them.

    Raises:
      DatasetError: images are missing or have another size.
    """
    few = len(pairs) < MANY or None
    bar = tqdm(pairs, desc="sizes", unit="image", disable=few)
    problems = [x for x in map(_size_problem, bar) if x is not None]
    stop_at(
        problems,
        where=where,
        advice="Images must be there, of the size that the annotations are for",
    )


def _size_problem(pair: Pair) -> str | None:
    if not pair.image.is_file():
        return f"{pair.image}: the image is missing"
    try:
        sizes = possible_sizes(pair.image)
    except DatasetError as error:
        return str(error)
    height, width = pair.note.size
    if (height, width) in sizes:
        return None
    return (
        f"{pair.image}: is {sizes[0][0]} x {sizes[0][1]} (height x width), but its "
        f"annotations are for {height} x {width}"
    )


def read_object(annotation: dict[str, Any], size: tuple[int, int]) -> ListedObject:
    """The object of an annotation.

    Args:
      annotation: as the file has it.
      size: height and width of its image.

    Raises:
      ValueError: it has no mask of that size, or an area or crowd flag that cannot be;
        the message is a clause on what was expected and found.
    """
    counts, pixels = _read_mask(annotation.get("segmentation"), size)
    area = annotation.get("area", pixels)
    if type(area) not in (int, float) or not _are_finite([area]) or area < 0:
        raise ValueError(f"expected an area from 0 on, but found {_shown(area)}")
    crowd = annotation.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise ValueError(f"expected iscrowd to be 0 or 1, but found {_shown(crowd)}")
    return ListedObject(counts, float(area), bool(crowd), pixels)


def _read_mask(segmentation: Any, size: tuple[int, int]) -> tuple[bytes, int]:
    """The compressed counts of a mask, and its pixels."""
    if segmentation is None or segmentation == []:
        raise ValueError("expected a segmentation, but there is none; a box is no mask")
    if isinstance(segmentation, list):
        return _from_polygons(segmentation, size)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise ValueError(
            "expected a segmentation as polygons (lists of numbers) or run lengths "
            f"(size and counts), but found {_shown(segmentation)}"
        )
    if segmentation.get("size") != [*size]:
        raise ValueError(
            f"expected run lengths of its image's size, {[*size]} (height, width), but "
            f"theirs is {_shown(segmentation.get('size'))}"
        )
    return _from_counts(segmentation["counts"], size)


def _from_counts(counts: Any, size: tuple[int, int]) -> tuple[bytes, int]:
    whole = size[0] * size[1]
    if isinstance(counts, list):
        if not all(type(x) is int and 0 <= x <= whole for x in counts):
            raise ValueError(f"expected run lengths from 0 to {whole} as counts")
        lengths = np.array(counts, np.int64)
    elif isinstance(counts, str) and counts.isascii():
        lengths = expand(counts.encode())
    else:
        raise ValueError(f"expected counts as a list or a text, not {_shown(counts)}")
    if lengths.sum() != whole or lengths.min() < 0:
        raise ValueError(
            f"expected run lengths that add up to the {whole} pixels of its image, but "
            f"they are damaged: they add up to {lengths.sum()}"
        )
    is_text = isinstance(counts, str)
    encoded = counts.encode() if is_text else compress(counts, size)["counts"]
    return encoded, int(lengths[1::2].sum())


def _from_polygons(polygons: list[Any], size: tuple[int, int]) -> tuple[bytes, int]:
    from pycocotools import mask as coco_mask

    height, width = size
    for polygon in polygons:
        if not isinstance(polygon, list) or not {*map(type, polygon)} <= {int, float}:
            raise ValueError(
                "expected polygons as lists of numbers, x before y, but found "
                f"{_shown(polygon)}"
            )
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(
                "expected polygons of at least three points, two numbers each, but "
                f"one has {len(polygon)} numbers"
            )
        if not _are_finite(polygon):
            raise ValueError("expected finite coordinates, but a polygon has others")
        left, right = min(polygon[::2]), max(polygon[::2])
        top, bottom = min(polygon[1::2]), max(polygon[1::2])
        if (
            min(left, top) < -_AROUND
            or right > width + _AROUND
            or bottom > height + _AROUND
        ):
            raise ValueError(
                f"expected coordinates in its image, {height} x {width} (height x "
                f"width), but a polygon has x from {left:g} to {right:g} and y from "
                f"{top:g} to {bottom:g}"
            )
    rle = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    return rle["counts"], int(coco_mask.area(rle))


def _are_finite(numbers: Sequence[int | float]) -> bool:
    try:
        return all(map(math.isfinite, numbers))
    except OverflowError:  # an integer of hundreds of digits
        return False


def _shown(value: Any) -> str:
    """A value in a message, not longer than that can bear."""
    return reprlib.repr(value)
