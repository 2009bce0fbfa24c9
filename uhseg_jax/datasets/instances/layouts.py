"""Where the files of datasets of objects lie, and how they are opened."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from uhseg_jax.datasets.coco_json import CocoJsonSource
from uhseg_jax.datasets.listed import ListedSource
from uhseg_jax.datasets.pairs import first_existing
from uhseg_jax.datasets.sa1b import Sa1bSource
from uhseg_jax.datasets.source import DatasetError
from uhseg_jax.images import PathLike

__all__ = ["INSTANCE_DATASETS", "InstanceDataset", "SplitFiles"]


@dataclasses.dataclass(frozen=True)
class SplitFiles:
    """Where the files of a split may lie below the folder of a dataset, in order.

    Attributes:
      annotations: the file of annotations; none where each image has its own beside it.
      images: the folder of images.
    """

    annotations: Sequence[str]
    images: Sequence[str]


@dataclasses.dataclass(frozen=True)
class InstanceDataset:
    """A dataset whose images and annotations are read as they lie.

    Attributes:
      name: what it is loaded by.
      splits: where the files of each lie.
      layout: that, for people.
      default_split: the split that papers score.
      places: see `CocoJsonSource`.
    """

    name: str
    splits: Mapping[str, SplitFiles]
    layout: str
    default_split: str = "val"
    places: Callable[[str], Sequence[str]] = lambda name: (name,)

    def open(
        self,
        root: PathLike | None,
        *,
        split: str | None = None,
        names: Sequence[str] | PathLike | None = None,
    ) -> ListedSource:
        """The images of a split with their objects.

        Args:
          root: folder with the original files; None is refused.
          split: the split; by default the one that papers score.
          names: see `CocoJsonSource`.

        Raises:
          DatasetError: there is no such split, or its files are missing or have
            problems; the message names them and says what is expected.
        """
        split = self.default_split if split is None else split
        if split not in self.splits:
            raise DatasetError(
                f"{self.name}: there is no split {split!r}; it has "
                f"{', '.join(self.splits)}."
            )
        expected = f"Expected layout:\n{inspect.cleandoc(self.layout)}"
        if root is None:
            raise DatasetError(
                f"{self.name}: no folder of original files was given (manual_dir). "
                f"{expected}"
            )
        files = self.splits[split]
        images = first_existing(Path(root), *files.images)
        try:
            if not files.annotations:
                return Sa1bSource(images, names=names, name=self.name)
            annotations = first_existing(Path(root), *files.annotations)
            return CocoJsonSource(
                images, annotations, names=names, name=self.name, places=self.places
            )
        except DatasetError as error:
            raise DatasetError(f"{error}\n{expected}") from error


def _in_synsets(name: str) -> tuple[str, ...]:
    """PartImageNet names n02129604_17.JPEG what lies in the folder n02129604."""
    return name, f"{name.partition('_')[0]}/{name}"


_ADE = ("ADEChallengeData2016/", "")

INSTANCE_DATASETS = [
    InstanceDataset(
        "coco_instances",
        {
            split: SplitFiles(
                [f"annotations/instances_{split}2017.json"],
                [f"{split}2017", f"images/{split}2017"],
            )
            for split in ("train", "val")
        },
        """
          annotations/instances_{train,val}2017.json
          {train,val}2017/*.jpg                        (or images/{train,val}2017)
        """,
    ),
    InstanceDataset(
        "lvis",
        {
            split: SplitFiles(
                [f"{x}lvis_v1_{split}.json" for x in ("", "annotations/")],
                ["images", ""],
            )
            for split in ("train", "val")
        },
        """
          lvis_v1_{train,val}.json                     (or in annotations/)
          {train,val}2017/*.jpg                        (or in images/, or images/*.jpg)
        of COCO, both folders for either split: val has images of train2017.
        """,
    ),
    InstanceDataset(
        "paco",
        {
            split: SplitFiles(
                [f"{x}paco_lvis_v1_{split}.json" for x in ("", "annotations/")],
                ["images", ""],
            )
            for split in ("train", "val", "test")
        },
        """
          paco_lvis_v1_{train,val,test}.json           (or in annotations/)
          {train,val}2017/*.jpg                        (or in images/, or images/*.jpg)
        of COCO, both folders for every split.
        """,
    ),
    InstanceDataset(
        "part_image_net_instances",
        {
            split: SplitFiles(
                [
                    f"{x}{split}.json"
                    for x in (
                        *("", "PartImageNet/", "annotations/"),
                        f"annotations/{split}/",
                    )
                ],
                [split, f"images/{split}", f"PartImageNet/{split}", "images"],
            )
            for split in ("train", "val", "test")
        },
        """
          {train,val,test}.json                        (PartImageNet_OOD)
          {train,val,test}/SYNSET/SYNSET_NUMBER.JPEG
        """,
        places=_in_synsets,
    ),
    InstanceDataset(
        "entityseg",
        {
            **{
                split: SplitFiles(
                    [
                        f"entityseg_{split}.json",
                        f"annotations/entityseg_{split}.json",
                        "annotations/entity_segmentation/"
                        f"entityv2_010203_entity_{split}.json",
                    ],
                    ["images", ""],
                )
                for split in ("train", "val")
            },
            **{
                f"{split}_lr": SplitFiles(
                    [
                        f"entityseg_{split}_lr.json",
                        f"annotations/entityseg_{split}_lr.json",
                        "annotations/entity_segmentation/"
                        f"entityv2_010203_entity_{split}_lr.json",
                    ],
                    ["images_lr"],
                )
                for split in ("train", "val")
            },
        },
        """
          entityseg_{train,val}.json                   (or in annotations/, or
            annotations/entity_segmentation/entityv2_010203_entity_{train,val}.json)
          images/entity_{01_11580,02_11598,03_10049}/  (or without images/)
        and for the splits train_lr and val_lr, of at most 1333 x 800 pixels,
          annotations/entity_segmentation/entityv2_010203_entity_{train,val}_lr.json
          images_lr/entity_{01_11580,02_11598,03_10049}/
        """,
    ),
    InstanceDataset(
        "ade20k_instances",
        {
            split: SplitFiles(
                [f"{x}ade20k_instance_{split}.json" for x in _ADE],
                [f"{x}images/{folder}" for x in _ADE],
            )
            for split, folder in (("train", "training"), ("val", "validation"))
        },
        """
          ADEChallengeData2016/ade20k_instance_{train,val}.json
          ADEChallengeData2016/images/{training,validation}/*.jpg
        (or without ADEChallengeData2016/); prepare_ade20k_ins_seg.py of Mask2Former
        writes the JSON from annotations_instance.tar.
        """,
    ),
    InstanceDataset(
        "sa1b",
        {"all": SplitFiles([], ["images", ""])},
        """
          sa_NUMBER.jpg and sa_NUMBER.json side by side (in images/, or in the folder),
          such as one unpacked sa_000020.tar
        """,
        default_split="all",
    ),
]
"""Datasets of objects that are read as they lie."""
