"""What the page compares regions by: their descriptors, made small.

Descriptors without their mean over all images, at unit length, are projected on the few
directions in which they differ most, and rounded to bytes. The products of these are
nearly the cosines that `uhseg_jax.similar_regions` compares.
"""

import base64
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.export.parts import Spool
from uhseg_jax.export.result import Result
from uhseg_jax.hierarchy.boxes import node_boxes
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Float, Int, UInt8

__all__ = ["DescribedRegions", "SimilarRegions", "described_regions"]

_MIN_AREA = 0.004  # share of the image: others say little, and are many
_LENGTH = 64  # of what is left of a descriptor
_SAMPLED = 4096  # regions, to find the directions
_NONE: dict[str, Any] = {"nodes": [], "above": [], "boxes": "", "values": ""}


@dataclasses.dataclass(frozen=True)
class DescribedRegions:
    """Some regions of an image, with descriptors.

    Attributes:
      nodes: int32 ``[m]``, of the whole tree; parents come before children.
      above: int32 ``[m]``, which of these is the smallest around each; -1: none.
      boxes: ``[m, 4]``, left, top, right and bottom, in 255ths of the image.
      descriptors: float32 ``[m, d]``.
      mean: float32 ``[d]``, over the image.
    """

    nodes: Int[np.ndarray, " m"]
    above: Int[np.ndarray, " m"]
    boxes: UInt8[np.ndarray, "m 4"]
    descriptors: Float[np.ndarray, "m d"]
    mean: Float[np.ndarray, " d"]


def described_regions(
    result: Result, tree: RegionTree, nodes: Int[np.ndarray, " n"]
) -> DescribedRegions | None:
    """The regions that may be found; None where the result has no descriptors.

    Args:
      result: of one image.
      tree: what the page shows of its tree.
      nodes: what the nodes of that are in the whole tree.
    """
    if result.descriptors is None:
        return None
    listed = tree.areas() / tree.labels.size >= _MIN_AREA
    listed[ROOT] = len(nodes) == 1
    numbers = np.where(listed, np.cumsum(listed) - 1, NO_PARENT)
    parents = np.asarray(tree.parents)
    # A region around one that is listed is so as well, but for the root.
    above = np.where(parents == NO_PARENT, NO_PARENT, numbers[parents])
    height, width = tree.labels.shape
    boxes = node_boxes(np.asarray(tree.labels), parents)[listed]
    shares = boxes / [width, height, width, height]
    return DescribedRegions(
        nodes=nodes[listed].astype(np.int32),
        above=above[listed].astype(np.int32),
        boxes=np.rint(255 * shares).astype(np.uint8),
        descriptors=result.descriptors[nodes[listed]],
        mean=result.descriptors[ROOT],
    )


class SimilarRegions:
    """The described regions of many images, which wait on disk.

    Args:
      folder: where the file is.
    """

    def __init__(self, folder: Path):
        self._spool = Spool(folder)
        self._regions: list[dict[str, Any] | None] = []  # all but descriptors
        self._scale = 0.0
        self._length = 0
        self._sum = np.zeros(0)

    def add(self, regions: DescribedRegions | None) -> None:
        """Adds those of the next image, if there are any to compare with the others."""
        if regions is None or self._length not in (0, regions.mean.size):
            self._spool.add(b"")
            self._regions.append(None)
            return
        if not self._length:
            self._length, self._sum = regions.mean.size, np.zeros(regions.mean.size)
            self._scale = float(np.abs(regions.mean).max()) or 1.0
        self._sum += regions.mean / self._scale
        values = regions.descriptors / self._scale
        largest = np.finfo(np.float16).max
        self._spool.add(values.clip(-largest, largest).astype(np.float16).tobytes())
        self._regions.append(
            {
                "nodes": regions.nodes.tolist(),
                "above": regions.above.tolist(),
                "boxes": _base64(regions.boxes),
            }
        )

    def is_empty(self) -> bool:
        """Whether no image has described regions."""
        return not self._length

    def texts(self) -> Iterator[str]:
        """What the page holds of every image, in JSON.

        ``values`` are bytes with sign, one row for every region; the product of two
        rows, times `unit` twice, is nearly the cosine of their regions.
        """
        mean = (self._sum / max(1, len(list(self._some(1))))).astype(np.float32)
        directions, largest = self._directions(mean)
        for index, regions in enumerate(self._regions):
            if regions is None:
                yield json.dumps(_NONE)
                continue
            rows = _unit_rows(self._read(index), mean) @ directions
            values = np.rint(127 * rows / largest).clip(-127, 127).astype(np.int8)
            yield json.dumps(
                {**regions, "values": _base64(values), "unit": largest / 127}
            )

    def close(self) -> None:
        """Frees the disk."""
        self._spool.close()

    def _some(self, every: int) -> Iterator[int]:
        """Every so many of the images that have described regions."""
        there = [i for i, x in enumerate(self._regions) if x is not None]
        return iter(there[::every])

    def _read(self, index: int) -> Float[np.ndarray, "m d"]:
        """The descriptors of an image."""
        flat = np.frombuffer(self._spool[index], np.float16)
        return flat.reshape(-1, self._length).astype(np.float32)

    def _directions(
        self, mean: Float[np.ndarray, " d"]
    ) -> tuple[Float[np.ndarray, "d q"], float]:
        """Those in which descriptors differ most, and the largest number along them."""
        from scipy import linalg

        count = sum(len(x["nodes"]) for x in self._regions if x is not None)
        every = max(1, round((count / _SAMPLED) ** 0.5))  # of images, and of regions
        sample = [self._read(index)[::every] for index in self._some(every)]
        rows = _unit_rows(np.concatenate(sample), mean)
        most = rows.shape[1]
        wanted = (max(0, most - _LENGTH), most - 1)
        _, directions = linalg.eigh(rows.T @ rows, subset_by_index=wanted)
        largest = float(np.abs(rows @ directions).max(initial=0.0))
        return directions, largest or 1.0


def _unit_rows(
    rows: Float[np.ndarray, "m d"], mean: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "m d"]:
    """Rows without the mean, at unit length; those of zeros stay."""
    rows = rows - mean
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(lengths > 0, lengths, 1)
    return rows


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
