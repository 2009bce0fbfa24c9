"""The datasets by name: which builder, and which of its label hierarchies."""

import dataclasses

__all__ = ["DATASETS", "Entry"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A dataset under a name.

    Attributes:
      module: folder of the builder in `uhseg_jax.datasets`.
      builder: class in its ``builder`` module.
      view: text file of the label hierarchy; None for the one with all ids.
      depth: level of the hierarchy at which classes are merged; None for none.
    """

    module: str
    builder: str
    view: str | None = None
    depth: int | None = None


DATASETS = {
    "ade20k": Entry("ade20k", "Ade20k"),
    "bsds500": Entry("bsds500", "Bsds500"),
    "camvid": Entry("camvid", "CamVid"),
    "cityscapes": Entry("cityscapes", "Cityscapes"),
    "cityscapes27": Entry("cityscapes", "Cityscapes", "all_27.txt"),
    "coco": Entry("coco", "Coco"),
    "coco_stuff": Entry("coco_stuff", "CocoStuff"),
    "coco_stuff27": Entry("coco_stuff", "CocoStuff", depth=0),
    "coco_stuff182": Entry("coco_stuff", "CocoStuff", "all_182.txt"),
    "coco_stuff_only": Entry("coco_stuff", "CocoStuff", "stuff.txt"),
    "coco_stuff_things": Entry("coco_stuff", "CocoStuff", "things.txt"),
    "kitti_step": Entry("kitti_step", "KittiStep"),
    "mapillary": Entry("mapillary", "Mapillary12"),
    "mapillary2": Entry("mapillary", "Mapillary20"),
    "part_image_net": Entry("part_image_net", "PartImageNet"),
    "part_image_net158": Entry("part_image_net", "PartImageNet158"),
    "pascal_part": Entry("pascal_part", "PascalPart"),
    "pascal_part_objects": Entry("pascal_part", "PascalPart", "objects.txt"),
    "potsdam": Entry("potsdam", "Potsdam"),
    "vaihingen": Entry("vaihingen", "Vaihingen"),
    "voc2012": Entry("voc2012", "Voc2012"),
}
