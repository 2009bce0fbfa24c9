"""Trees as COCO annotations: every region a mask, with its place in the tree.

Every node of a tree becomes an annotation, the root (the whole image) included, with
the fields of COCO, ``iscrowd`` 0 and the mask as compressed RLE or as polygons, and
besides, also under ``attributes``, where datumaro and CVAT look for what is no field of
COCO:

    parent_id  id of the parent's annotation; null for the root
    depth      edges up to the root
    cost       normalised cut of the region within its parent's graph
    node       number of the node in the tree's arrays

Where results have categories, nodes of category 0 are left out, and ``parent_id`` is
null where the parent is. pycocotools opens the files; those of polygons are for readers
without RLE, and have the name that datumaro and CVAT expect.
"""

import contextlib
import functools
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from uhseg_jax.export.exporter import ExportOptions, Result, category_names, for_the_run
from uhseg_jax.export.polygons import polygons
from uhseg_jax.hierarchy.tree import NO_PARENT, RegionTree
from uhseg_jax.types import Bool, Int

__all__ = ["COCO", "POLYGONS", "open_coco"]

_DESCRIPTION = "Regions found by uhseg_jax"
_PIXELS_AT_ONCE = 2**22  # of a label map, when its runs are sought


@contextlib.contextmanager
def open_coco(
    path: Path, options: ExportOptions, *, as_polygons: bool = False
) -> Iterator["_CocoWriter"]:
    """Writes one COCO file for many images, one image in memory at a time.

    It is whole when the block has ended without an exception.
    Trees are of one category, "region"; categories have their numbers as ids.

    Args:
      path: the file to write.
      options: of the run, with the number of its categories.
      as_polygons: masks as polygons, which several readers of COCO files need, instead
        of RLE, which is smaller.
    """
    count = options.num_categories
    names = ["region"] if count is None else category_names(count)
    categories = [
        {"id": number, "name": name, "supercategory": "region"}
        for number, name in enumerate(names, start=1)
    ]
    with (
        open(path, "w", encoding="utf-8") as file,
        # Images are listed after the annotations; until then they wait on disk.
        tempfile.TemporaryFile("w+", encoding="utf-8") as images,
    ):
        file.write(
            f'{{"info": {{"description": "{_DESCRIPTION}"}},\n'
            f'"licenses": [],\n"categories": {json.dumps(categories)},\n'
            '"annotations": [\n'
        )
        yield _CocoWriter(file, images, len(names), as_polygons)
        file.write('\n],\n"images": [\n')
        images.seek(0)
        shutil.copyfileobj(images, file)
        file.write("\n]}\n")


class _CocoWriter:
    """Adds images and their annotations to open files."""

    def __init__(
        self, file: TextIO, images: TextIO, num_categories: int, as_polygons: bool
    ):
        self._file, self._images = file, images
        self._num_categories, self._as_polygons = num_categories, as_polygons
        self._num_images = self._num_annotations = 0

    def add(self, result: Result, *, keep: bool = False) -> None:
        """Writes an image and all regions of its tree; all of it or nothing.

        Raises:
          ValueError: a category is none of the run's.
        """
        del keep
        categories = result.categories
        if categories is None:
            categories = np.ones(int(result.tree.num_nodes), np.int32)
        if not 0 <= categories.min() <= categories.max() <= self._num_categories:
            raise ValueError(
                f"{result.title}: expected categories from 0 to "
                f"{self._num_categories}, but got {categories.min()} to "
                f"{categories.max()}."
            )
        image_id, first_id = self._num_images + 1, self._num_annotations + 1
        height, width = result.pixels.shape[:2]
        entry = {
            "id": image_id,
            "file_name": result.title,
            "height": height,
            "width": width,
        }
        annotations = [
            json.dumps(annotation, allow_nan=False)
            for annotation in _annotations(
                result.tree,
                image_id,
                first_id,
                categories,
                as_polygons=self._as_polygons,
            )
        ]
        self._images.write(("" if image_id == 1 else ",\n") + json.dumps(entry))
        if annotations:
            self._file.write(("" if first_id == 1 else ",\n") + ",\n".join(annotations))
        self._num_images += 1
        self._num_annotations += len(annotations)


def _annotations(
    tree: RegionTree,
    image_id: int,
    first_id: int,
    category_ids: Int[np.ndarray, " n"],
    *,
    as_polygons: bool,
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
        segmentation: Any = {
            "size": [height, width],
            "counts": rle["counts"].decode("ascii"),
        }
        if as_polygons:
            segmentation = polygons(contains[node][np.asarray(tree.labels)])
        place = {
            "parent_id": int(ids[parent]) if has_parent else None,
            "depth": int(depths[node]),
            # Through text: the shortest decimal that is this float32.
            "cost": float(str(costs[node])),
            "node": node,
        }
        yield {
            "id": int(ids[node]),
            "image_id": image_id,
            "category_id": int(category_ids[node]),
            "segmentation": segmentation,
            "area": int(coco_mask.area(rle)),
            "bbox": [int(x) for x in coco_mask.toBbox(rle)],
            "iscrowd": 0,
            **place,
            "attributes": place,
        }


def _runs(
    labels: Int[np.ndarray, "h w"],
) -> tuple[Int[np.ndarray, " r"], Int[np.ndarray, " r"]]:
    """Labels and lengths of the runs of a label map, down its columns, as COCO counts.

    All masks of a tree are unions of these runs, so pixels are passed over once and not
    once for every node.
    """
    height, width = labels.shape
    columns = max(1, _PIXELS_AT_ONCE // height)
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


COCO = for_the_run(
    "coco",
    "coco.json, an annotation for every region",
    "coco.json",
    open_coco,
)
POLYGONS = for_the_run(
    "polygons",
    "annotations/instances_default.json, the same with polygons in place of RLE",
    "annotations/instances_default.json",
    functools.partial(open_coco, as_polygons=True),
)
