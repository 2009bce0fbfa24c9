"""Trees as COCO annotations: every region a mask, with its place in the tree."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from uhseg_jax.export.streaming import StreamingFile
from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy.tree import NO_PARENT, RegionTree
from uhseg_jax.types import Bool, Int

__all__ = ["CATEGORY_ID", "CocoWriter"]

CATEGORY_ID = 1
_CELLS_AT_ONCE = 2**22  # of a label map, when its runs are sought


class CocoWriter(StreamingFile):
    """Writes one COCO file for many images, one image in memory at a time.

    Every node of a tree becomes an annotation, the root (the whole image) included,
    with the fields of COCO, ``iscrowd`` 0 and the mask as compressed RLE, and besides:

        parent_id  id of the parent's annotation; null for the root
        depth      edges up to the root
        cost       normalised cut of the region within its parent's graph
        node       number of the node in the tree's arrays

    pycocotools opens the file. It appears under its name when the block ends without an
    exception, and not before:

        with CocoWriter("coco.json") as coco:
            coco.add("photo.jpg", image.shape[:2], tree)

    Args:
      path: the file to write.
      categories: their names; ids count from 1.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, categories: Sequence[str] = ("region",)
    ):
        super().__init__(path)
        self._categories = tuple(categories)
        self._num_images = 0
        self._num_annotations = 0

    def add(
        self,
        image_name: str,
        image_size: tuple[int, int],
        tree: RegionTree,
        *,
        category_ids: Int[np.ndarray, " n"] | None = None,
    ) -> None:
        """Writes an image and all regions of its tree; all of it or nothing.

        Args:
          image_name: what ``file_name`` shall be, usually the path below the folder.
          image_size: height and width of the image file, upright, in pixels.
          tree: its tree, with labels at that size.
          category_ids: of every node; nodes with 0 are left out, and ``parent_id`` is
            null where the parent is. None: all nodes, of category `CATEGORY_ID`.

        Raises:
          ValueError: the labels have another size, or there is no such category.
          RuntimeError: the writer is not open.
        """
        file = self._require_open()
        if category_ids is None:
            category_ids = np.full(int(tree.num_nodes), CATEGORY_ID)
        if not 0 <= category_ids.min() <= category_ids.max() <= len(self._categories):
            raise ValueError(
                f"{image_name}: expected category ids from 0 to "
                f"{len(self._categories)}, one for every name, but got "
                f"{category_ids.min()} to {category_ids.max()}."
            )
        if tuple(image_size) != tuple(tree.labels.shape):
            raise ValueError(
                f"{image_name}: expected a tree with labels at image size "
                f"{tuple(image_size)}, but they are {tuple(tree.labels.shape)}; "
                "segment with grid=False."
            )
        image_id, first_id = self._num_images + 1, self._num_annotations + 1
        height, width = map(int, image_size)
        entry = {
            "id": image_id,
            "file_name": image_name,
            "height": height,
            "width": width,
        }
        annotations = [
            json.dumps(annotation, allow_nan=False)
            for annotation in _annotations(tree, image_id, first_id, category_ids)
        ]
        self._images.write(("" if image_id == 1 else ",\n") + json.dumps(entry))
        if annotations:
            file.write(("" if first_id == 1 else ",\n") + ",\n".join(annotations))
        self._num_images += 1
        self._num_annotations += len(annotations)

    @contextlib.contextmanager
    def _write(self) -> Iterator[None]:
        with (
            atomic_write(self._path) as aside,
            open(aside, "w", encoding="utf-8") as self._file,
            # Images are listed after the annotations; until then they wait on disk.
            tempfile.TemporaryFile("w+", encoding="utf-8") as self._images,
        ):
            categories = [
                {"id": CATEGORY_ID + i, "name": name, "supercategory": "region"}
                for i, name in enumerate(self._categories)
            ]
            self._file.write(
                '{"info": {"description": "Regions found by uhseg_jax"},\n'
                f'"licenses": [],\n"categories": {json.dumps(categories)},\n'
                '"annotations": [\n'
            )
            yield
            self._file.write('\n],\n"images": [\n')
            self._images.seek(0)
            shutil.copyfileobj(self._images, self._file)
            self._file.write("\n]}\n")


def _annotations(
    tree: RegionTree, image_id: int, first_id: int, category_ids: Int[np.ndarray, " n"]
) -> Iterator[dict[str, Any]]:
    from pycocotools import mask as coco_mask

    height, width = (int(x) for x in tree.labels.shape)
    run_labels, run_lengths = _runs(np.asarray(tree.labels))
    contains = np.asarray(tree.contains())
    parents, depths = np.asarray(tree.parents), np.asarray(tree.depths)
    costs = np.asarray(tree.costs, np.float32)
    written = category_ids[: int(tree.num_nodes)] > 0
    ids = first_id + np.cumsum(written) - 1
    for node in np.flatnonzero(written).tolist():
        counts = _rle_counts(contains[node][run_labels], run_lengths)
        rle = coco_mask.frPyObjects(
            {"size": [height, width], "counts": counts}, height, width
        )
        parent = int(parents[node])
        has_parent = parent != NO_PARENT and bool(written[parent])
        yield {
            "id": int(ids[node]),
            "image_id": image_id,
            "category_id": int(category_ids[node]),
            "segmentation": {
                "size": [height, width],
                "counts": rle["counts"].decode("ascii"),
            },
            "area": int(coco_mask.area(rle)),
            "bbox": [int(x) for x in coco_mask.toBbox(rle)],
            "iscrowd": 0,
            "parent_id": int(ids[parent]) if has_parent else None,
            "depth": int(depths[node]),
            # Through text: the shortest decimal that is this float32.
            "cost": float(str(costs[node])),
            "node": node,
        }


def _runs(
    labels: Int[np.ndarray, "h w"],
) -> tuple[Int[np.ndarray, " r"], Int[np.ndarray, " r"]]:
    """Labels and lengths of the runs of a label map, down its columns, as COCO counts.

    All masks of a tree are unions of these runs, so pixels are passed over once and not
    once for every node.
    """
    height, width = labels.shape
    columns = max(1, _CELLS_AT_ONCE // height)
    found, starts = [], []
    for left in range(0, width, columns):
        part = labels[:, left : left + columns].ravel(order="F")
        begins = np.flatnonzero(np.concatenate([[True], part[1:] != part[:-1]]))
        found.append(part[begins])
        starts.append(begins + left * height)
    ends = np.concatenate([*starts, [labels.size]])
    return np.concatenate(found), np.diff(ends)


def _rle_counts(
    inside: Bool[np.ndarray, " r"], lengths: Int[np.ndarray, " r"]
) -> list[int]:
    """Lengths of the alternating runs of a mask, the first one outside (perhaps 0)."""
    begins = np.flatnonzero(np.concatenate([[True], inside[1:] != inside[:-1]]))
    counts = np.add.reduceat(lengths, begins).tolist()
    return [0, *counts] if inside[0] else counts
