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
import dataclasses
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
from uhseg_jax.run_lengths import compress, counts_of, runs_of
from uhseg_jax.types import Int

__all__ = ["COCO", "POLYGONS", "annotations_of", "open_coco"]

_DESCRIPTION = "Regions found by uhseg_jax"


@contextlib.contextmanager
def open_coco(path: Path, options: ExportOptions) -> Iterator["_CocoWriter"]:
    """Writes one COCO file for many images, one image in memory at a time.

    It is whole when the block has ended without an exception.
    Trees are of one category, "region"; categories have their numbers as ids.

    Args:
      path: the file to write.
      options: of the run, with the number of its categories.
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
        yield _CocoWriter(file, images)
        file.write('\n],\n"images": [\n')
        images.seek(0)
        shutil.copyfileobj(images, file)
        file.write("\n]}\n")


class _CocoWriter:
    """Adds images and their annotations to open files."""

    def __init__(self, file: TextIO, images: TextIO):
        self._file, self._images = file, images
        self._num_images = self._num_annotations = 0

    def is_there(self, result: Result) -> bool:
        """See `FileWriter.is_there`."""
        del result
        return False

    def put(self, name: str, content: "_Annotated") -> None:
        """Writes an image and all regions of its tree."""
        del name
        image_id, first_id = self._num_images + 1, self._num_annotations + 1
        image = {"id": image_id, **content.image}
        texts = [x.numbered(image_id, first_id) for x in content.annotations]
        self._images.write(("" if image_id == 1 else ",\n") + json.dumps(image))
        if texts:
            self._file.write(("" if first_id == 1 else ",\n") + ",\n".join(texts))
        self._num_images += 1
        self._num_annotations += len(texts)


@dataclasses.dataclass(frozen=True)
class _Annotation:
    """An annotation in JSON that still wants its numbers.

    Attributes:
      index: its place among the annotations of its image.
      parent: that of its parent; None where that is not written.
      mask: its own fields.
      place: the fields that stand under ``attributes`` too.
    """

    index: int
    parent: int | None
    mask: str
    place: str

    def numbered(self, image_id: int, first_id: int) -> str:
        """The annotation, where those of its image have ids from the first one on."""
        parent = "null" if self.parent is None else first_id + self.parent
        place = f'"parent_id": {parent}, {self.place}'
        return (
            f'{{"id": {first_id + self.index}, "image_id": {image_id}, {self.mask}, '
            f'{place}, "attributes": {{{place}}}}}'
        )


@dataclasses.dataclass(frozen=True)
class _Annotated:
    """An image of a COCO file without its id, and its annotations."""

    image: dict[str, Any]
    annotations: list[_Annotation]


def annotations_of(
    result: Result, options: ExportOptions, *, as_polygons: bool = False
) -> _Annotated:
    """What a COCO file holds of a result.

    Args:
      result: of one image.
      options: of the run, with the number of its categories.
      as_polygons: masks as polygons, which several readers of COCO files need, instead
        of RLE, which is smaller.

    Raises:
      ValueError: a category is none of the run's.
    """
    categories, highest = result.categories, options.num_categories
    highest = 1 if highest is None else highest
    if categories is None:
        categories = np.ones(int(result.tree.num_nodes), np.int32)
    if not 0 <= categories.min() <= categories.max() <= highest:
        raise ValueError(
            f"{result.title}: expected categories from 0 to {highest}, but got "
            f"{categories.min()} to {categories.max()}."
        )
    height, width = result.pixels.shape[:2]
    image = {"file_name": result.title, "height": height, "width": width}
    annotations = _annotations(result.tree, categories, as_polygons=as_polygons)
    return _Annotated(image, list(annotations))


def _annotations(
    tree: RegionTree, category_ids: Int[np.ndarray, " n"], *, as_polygons: bool
) -> Iterator[_Annotation]:
    from pycocotools import mask as coco_mask

    height, width = (int(x) for x in tree.labels.shape)
    run_labels, run_lengths = runs_of(np.asarray(tree.labels))
    contains = np.asarray(tree.contains())
    parents, depths = np.asarray(tree.parents), np.asarray(tree.depths)
    costs = np.asarray(tree.costs, np.float32)
    written = category_ids[: int(tree.num_nodes)] > 0
    indices = np.cumsum(written) - 1
    for node in np.flatnonzero(written).tolist():
        counts = counts_of(contains[node][run_labels], run_lengths)
        rle = compress(counts, (height, width))
        parent = int(parents[node])
        has_parent = parent != NO_PARENT and bool(written[parent])
        segmentation: Any = {
            "size": [height, width],
            "counts": rle["counts"].decode("ascii"),
        }
        if as_polygons:
            segmentation = polygons(contains[node][np.asarray(tree.labels)])
        yield _Annotation(
            int(indices[node]),
            int(indices[parent]) if has_parent else None,
            _fields(
                category_id=int(category_ids[node]),
                segmentation=segmentation,
                area=int(coco_mask.area(rle)),
                bbox=[int(x) for x in coco_mask.toBbox(rle)],
                iscrowd=0,
            ),
            _fields(
                depth=int(depths[node]),
                # Through text: the shortest decimal that is this float32.
                cost=float(str(costs[node])),
                node=node,
            ),
        )


def _fields(**values: Any) -> str:
    """The inside of a JSON object."""
    return json.dumps(values, allow_nan=False)[1:-1]


COCO = for_the_run(
    "coco",
    "coco.json, an annotation for every region",
    "coco.json",
    annotations_of,
    open_coco,
)
POLYGONS = for_the_run(
    "polygons",
    "annotations/instances_default.json, the same with polygons in place of RLE",
    "annotations/instances_default.json",
    functools.partial(annotations_of, as_polygons=True),
    open_coco,
)
