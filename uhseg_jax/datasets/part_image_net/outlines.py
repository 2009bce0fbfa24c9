"""The COCO-style lists of PartImageNet: parts as polygons or run lengths."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.datasets.source import reading
from uhseg_jax.run_lengths import decode
from uhseg_jax.types import Bool, UInt8

__all__ = ["Outlines", "read_outlines"]


@dataclasses.dataclass(frozen=True)
class Outlines:
    """The parts in one image.

    Attributes:
      height: rows of the image.
      width: columns of the image.
      parts: id and segmentation, as COCO has them, of every part.
    """

    height: int
    width: int
    parts: Sequence[tuple[int, Any]]

    def paint(self, background: int, *, name: object) -> UInt8[np.ndarray, "H W"]:
        """A label map; where parts overlap, the smaller lies over the larger.

        Args:
          background: id of what no part claims.
          name: what to call the image in errors.

        Raises:
          DatasetError: a part is neither polygons nor run lengths.
        """
        what = "parts as polygons or run lengths of COCO"
        with reading(name, what, advice="use the original list of annotations"):
            masks = [(part, self._fill(outline)) for part, outline in self.parts]
        labels = np.full((self.height, self.width), background, np.uint8)
        for part, mask in sorted(masks, key=lambda x: -int(x[1].sum())):
            labels[mask] = part
        return labels

    def _fill(self, outline: Any) -> Bool[np.ndarray, "H W"]:
        from pycocotools import mask as coco_mask

        if isinstance(outline, list) or isinstance(outline["counts"], list):
            outline = coco_mask.frPyObjects(outline, self.height, self.width)
        if isinstance(outline, list):
            outline = coco_mask.merge(outline)
        return decode(outline)


def read_outlines(path: Path) -> dict[str, Outlines]:
    """The parts of every image that a list names, by the stem of its file.

    Raises:
      DatasetError: the file is no such list.
    """
    with reading(path, "images and annotations as COCO lists them"):
        listed = json.loads(path.read_text(encoding="utf-8"))
        parts: dict[int, list[tuple[int, Any]]] = {}
        for one in listed["annotations"]:
            found = parts.setdefault(one["image_id"], [])
            found.append((one["category_id"], one["segmentation"]))
        return {
            Path(image["file_name"]).stem: Outlines(
                image["height"], image["width"], parts.get(image["id"], [])
            )
            for image in listed["images"]
        }
