"""The datasets by name: which builder and label hierarchy, or where objects lie."""

import dataclasses
import importlib
from typing import TYPE_CHECKING

from uhseg_jax.datasets.davis import CLIP_DATASETS, ClipDataset
from uhseg_jax.datasets.instances import INSTANCE_DATASETS, InstanceDataset
from uhseg_jax.datasets.own import OwnBuilder, OwnSource, dataset_in_file
from uhseg_jax.own_code import is_in_file
from uhseg_jax.registry import Registry

if TYPE_CHECKING:
    from uhseg_jax.datasets.builder import SegmentationBuilder

__all__ = ["DATASETS", "Dataset", "Entry"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A dataset that a builder prepares.

    Attributes:
      name: what it is loaded by.
      module: folder of the builder in `uhseg_jax.datasets`.
      builder: class in its ``builder`` module.
      view: text file of the label hierarchy; None for the one with all ids.
      depth: level of the hierarchy at which classes are merged; None for none.
    """

    name: str
    module: str
    builder: str
    view: str | None = None
    depth: int | None = None

    def load_builder(self) -> type["SegmentationBuilder"]:
        """The builder; imports `tensorflow_datasets`."""
        module = importlib.import_module(f"uhseg_jax.datasets.{self.module}.builder")
        found: type[SegmentationBuilder] = getattr(module, self.builder)
        return found


Dataset = Entry | ClipDataset | InstanceDataset | OwnBuilder | OwnSource
"""What a name of a dataset stands for."""


class _Datasets(Registry[Dataset]):
    """The datasets by name, and those in files of users by ``FILE.py:NAME``."""

    def find(self, name: str) -> Dataset:
        """The dataset of that name; a file that is named is run.

        Raises:
          ValueError: there is none; the message lists those there are, or says what is
            wrong with the file.
        """
        return dataset_in_file(name) if is_in_file(name) else super().find(name)


DATASETS = _Datasets(
    "dataset",
    [
        Entry("ade20k", "ade20k", "Ade20k"),
        Entry("bsds500", "bsds500", "Bsds500"),
        Entry("camvid", "camvid", "CamVid"),
        Entry("cityscapes", "cityscapes", "Cityscapes"),
        Entry("cityscapes27", "cityscapes", "Cityscapes", "all_27.txt"),
        Entry("coco", "coco", "Coco"),
        Entry("coco_object", "coco_stuff", "CocoStuff", "objects.txt"),
        Entry("coco_stuff", "coco_stuff", "CocoStuff"),
        Entry("coco_stuff27", "coco_stuff", "CocoStuff", depth=0),
        Entry("coco_stuff182", "coco_stuff", "CocoStuff", "all_182.txt"),
        Entry("coco_stuff_only", "coco_stuff", "CocoStuff", "stuff.txt"),
        Entry("coco_stuff_things", "coco_stuff", "CocoStuff", "things.txt"),
        Entry("kitti_step", "kitti_step", "KittiStep"),
        Entry("mapillary", "mapillary", "Mapillary12"),
        Entry("mapillary2", "mapillary", "Mapillary20"),
        Entry("part_image_net", "part_image_net", "PartImageNet"),
        Entry("part_image_net158", "part_image_net", "PartImageNet158"),
        Entry("pascal_context", "pascal_context", "PascalContext"),
        Entry("pascal_context59", "pascal_context", "PascalContext", "classes59.txt"),
        Entry("pascal_part", "pascal_part", "PascalPart"),
        Entry("pascal_part_objects", "pascal_part", "PascalPart", "objects.txt"),
        Entry("potsdam", "isprs", "Potsdam"),
        Entry("vaihingen", "isprs", "Vaihingen"),
        Entry("voc2012", "voc2012", "Voc2012"),
        Entry("voc2012_objects", "voc2012", "Voc2012", "objects.txt"),
        *INSTANCE_DATASETS,
        *CLIP_DATASETS,
    ],
)
"""The datasets by name."""
