"""The objects of an image as COCO's evaluation sees them: masks, areas, crowds.

Masks stay run lengths and are decoded one at a time: they may overlap, as those of
LVIS, PACO and SA-1B do, and an image of SA-1B has a hundred.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from uhseg_jax.run_lengths import RLE, compress, counts_of, decode, encode, runs_of
from uhseg_jax.taxonomy import Case, Taxonomy
from uhseg_jax.taxonomy.lines import NO_PARENT
from uhseg_jax.types import Bool, Float, Integer

__all__ = ["Objects", "image_id_of"]

_ID_BITS = 62  # of ids made from names; they are kept as int64


@dataclasses.dataclass(frozen=True, eq=False)
class Objects:
    """The objects in one image.

    Attributes:
      masks: ``g`` masks, compressed as pycocotools does, all of the image's size.
      areas: ``[g]``, what COCO's evaluation takes for their areas when it asks for
        small and large objects: the field ``area`` of a COCO file (of polygons, not
        quite the number of pixels), else the number of pixels.
      crowd: ``[g]``, COCO's ``iscrowd``: proposals inside such a mask are ignored, and
        nobody need find it.
      image_id: of the image, unique in its dataset.

    Raises:
      ValueError: there are not as many of each, or masks have several sizes.
    """

    masks: tuple[RLE, ...]
    areas: Float[np.ndarray, " g"]
    crowd: Bool[np.ndarray, " g"]
    image_id: int

    def __post_init__(self) -> None:
        count = len(self.masks)
        if self.areas.shape != (count,) or self.crowd.shape != (count,):
            raise ValueError(
                "expected an area and a crowd flag for every mask, but got "
                f"{count} masks, {self.areas.size} areas and {self.crowd.size} flags."
            )
        sizes = {tuple(mask["size"]) for mask in self.masks}
        if len(sizes) > 1:
            raise ValueError(
                "expected masks of one size, that of their image, but got "
                f"{sorted(sizes)}."
            )

    def __len__(self) -> int:
        """Number of objects, crowds included."""
        return len(self.masks)

    def decoded(self) -> Iterator[Bool[np.ndarray, "H W"]]:
        """The masks in order, one in memory at a time."""
        return map(decode, self.masks)

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> "Objects":
        """The objects of a changed image; those of which no pixel is left go.

        Areas are then numbers of pixels.

        Args:
          change: makes the new mask of an old one, both uint8 of 0 and 1.
        """
        masks, crowd = [], []
        for mask, is_crowd in zip(self.decoded(), self.crowd.tolist(), strict=True):
            if (new := change(mask.view(np.uint8)).view(bool)).any():
                masks.append(encode(new))
                crowd.append(is_crowd)
        return _of_pixels(masks, crowd, self.image_id)

    @classmethod
    def from_map(
        cls,
        instances: Integer[np.ndarray, "H W"],
        name: str,
        *,
        labels: Integer[np.ndarray, "_ _"] | None = None,
        taxonomy: Taxonomy | None = None,
    ) -> "Objects":
        """The objects of a map that gives each pixel one, by their ids.

        Args:
          instances: ids from 1; 0 where there is none; the pixels below 0, which do not
            count, become one crowd, the last of the objects.
          name: of the image, which `image_id_of` turns into a number.
          labels: raw ids of every pixel. With them and the taxonomy, parts are objects
            too: after the objects, what each has of a class that lies below another
            line and holds no line itself, unless that is all of the object.
          taxonomy: what the raw ids are.

        Raises:
          ValueError: the sizes differ.
        """
        owners = np.maximum(instances.astype(np.int64), -1)
        if labels is None or taxonomy is None:
            runs, lengths = runs_of(owners)
            classes = np.zeros_like(runs)
            parts: list[int] = []
        else:
            if labels.shape != instances.shape:
                raise ValueError(
                    "expected labels of the size of the instances, but they are "
                    f"{labels.shape} and {instances.shape}."
                )
            span = int(labels.max(initial=0)) + 1
            runs, lengths = runs_of(owners * span + labels)
            runs, classes = np.divmod(runs, span)
            parts = _part_ids(taxonomy)
        ids = np.unique(runs[runs > 0])
        masks = [runs == i for i in ids]
        is_part = np.isin(classes, parts)
        for whole in tuple(masks):
            found = np.unique(classes[whole & is_part])
            if len(np.unique(classes[whole])) > 1:
                masks += [whole & (classes == part) for part in found]
        crowd = [False] * len(masks)
        if (runs < 0).any():
            masks.append(runs < 0)
            crowd.append(True)
        size = instances.shape
        rles = [compress(counts_of(x, lengths), size) for x in masks]
        return _of_pixels(rles, crowd, image_id_of(name))


def image_id_of(name: str) -> int:
    """A number for an image that has only a name: the same wherever it is computed."""
    digest = hashlib.sha256(os.fsencode(name)).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _ID_BITS)


def _part_ids(taxonomy: Taxonomy) -> list[int]:
    """The ids of classes that lie below another line and hold none themselves."""
    holding = set(taxonomy.parents.tolist())
    return [
        int(raw_id)
        for line, raw_id in enumerate(taxonomy.ids)
        if taxonomy.cases[line] == Case.FOREGROUND
        and taxonomy.parents[line] != NO_PARENT
        and line not in holding
    ]


def _of_pixels(masks: Sequence[RLE], crowd: Sequence[bool], image_id: int) -> Objects:
    """Objects whose areas are numbers of pixels."""
    from pycocotools import mask as coco_mask

    areas = np.array([float(coco_mask.area(x)) for x in masks], np.float64)
    return Objects(tuple(masks), areas, np.array(crowd, bool), image_id)
