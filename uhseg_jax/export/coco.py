"""Regions as COCO annotations: every one a mask, with its place in the tree.

The regions that a run shows become annotations, disjoint or nested ones, the root (the
whole image) among them or not, with the fields of COCO, ``iscrowd`` 0 and the mask as
compressed RLE or as polygons, and besides, also under ``attributes``, where datumaro
and CVAT look for what is no field of COCO:

    parent_id  id of the annotation of the smallest region around; null if none is
    depth      edges between the node and the root
    cost       normalised cut of the region within its parent's graph
    node       number of the node in the arrays of the whole tree

The last three are null for a union of several nodes. Where results have categories,
regions of category 0 are left out.

Above 500 images every 500 are in a file of their own, ``coco/0001.json`` and so on,
each a whole COCO file; ids go on from one to the next, so they can be put together.

pycocotools opens the files; those of polygons are for readers without RLE, and have the
name that datumaro and CVAT expect. COCO knows no holes: one hangs on the outline around
it by a seam. Where no tolerance is given, polygons give every mask back exactly; areas
and boxes are those of the masks.
"""

import dataclasses
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from uhseg_jax.export.exporter import FileOfTheRun
from uhseg_jax.export.parts import Spool, for_the_run_in_parts, joined
from uhseg_jax.export.region_rows import rows_of
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.hierarchy.regions import Regions
from uhseg_jax.outlines.seams import without_holes

__all__ = ["COCO", "POLYGONS", "CocoWriter", "annotations_of"]

_DESCRIPTION = "Regions found by uhseg_jax"


class CocoWriter(FileOfTheRun):
    """Numbers images and their annotations, and writes COCO files of them.

    Categories are the classes of the run, from 1: one alone, "region", where there are
    no others. Ids go on from file to file.

    Args:
      folder: where images and annotations wait.
      options: of the run, with its classes.
    """

    def __init__(self, folder: Path, options: ExportOptions):
        self._classes = options.class_names()
        self._images, self._annotations = Spool(folder), Spool(folder)
        self._num_annotations = 0

    def __len__(self) -> int:
        return len(self._images)

    def add(self, content: "_Annotated") -> None:
        """Takes an image and its regions."""
        image_id, first_id = len(self) + 1, self._num_annotations + 1
        texts = [x.numbered(image_id, first_id) for x in content.annotations]
        self._images.add(json.dumps({"id": image_id, **content.image}))
        self._annotations.add(",\n".join(texts))
        self._num_annotations += len(texts)

    def write(self, path: Path, which: range) -> None:
        """See `PartsWriter.write`."""
        categories = [
            {"id": number, "name": name, "supercategory": "region"}
            for number, name in enumerate(self._classes, start=1)
        ]
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                f'{{"info": {{"description": "{_DESCRIPTION}"}},\n'
                f'"licenses": [],\n"categories": {json.dumps(categories)},\n'
                '"annotations": [\n'
            )
            file.writelines(joined(self._annotations.texts(which)))
            file.write('\n],\n"images": [\n')
            file.writelines(joined(self._images.texts(which)))
            file.write("\n]}\n")

    def close(self) -> None:
        """See `PartsWriter.close`."""
        self._images.close()
        self._annotations.close()


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
      options: of the run, with its classes and the regions that it shows.
      as_polygons: masks as polygons, which several readers of COCO files need, instead
        of RLE, which is smaller; exact ones where the options have no tolerance.

    Raises:
      ValueError: a class is none of the run's.
    """
    height, width = result.size
    image = {"file_name": result.title, "height": height, "width": width}
    annotations = _annotations(result, options, as_polygons=as_polygons)
    return _Annotated(image, list(annotations))


def _annotations(
    result: Result, options: ExportOptions, *, as_polygons: bool
) -> Iterator[_Annotation]:
    regions, rows = result.regions(options), rows_of(result, options)
    masks = _polygons(regions, options) if as_polygons else _rles(regions)
    places = {row.index: place for place, row in enumerate(rows)}
    for place, row in enumerate(rows):
        yield _Annotation(
            place,
            None if row.parent is None else places[row.parent],
            _fields(
                category_id=row.class_id,
                segmentation=masks[row.index],
                area=row.area,
                bbox=list(row.box),
                iscrowd=0,
            ),
            _fields(depth=row.depth, cost=row.cost, node=row.node),
        )


def _rles(regions: Regions) -> list[Any]:
    return [{**x, "counts": x["counts"].decode("ascii")} for x in regions.rles()]


def _polygons(regions: Regions, options: ExportOptions) -> list[Any]:
    return [
        [without_holes(x).ravel().tolist() for x in region]
        for region in regions.polygons(options.tolerance or 0.0)
    ]


def _fields(**values: Any) -> str:
    """The inside of a JSON object."""
    return json.dumps(values, allow_nan=False)[1:-1]


COCO = for_the_run_in_parts(
    "coco",
    "coco.json, an annotation for every region; above 500 images coco/0001.json, ...",
    "coco.json",
    "coco/{part}.json",
    annotations_of,
    CocoWriter,
    needs_pixels=False,
)
POLYGONS = for_the_run_in_parts(
    "polygons",
    "annotations/instances_default.json, the same with polygons in place of RLE",
    "annotations/instances_default.json",
    "annotations/instances_{part}.json",
    functools.partial(annotations_of, as_polygons=True),
    CocoWriter,
    needs_pixels=False,
)
