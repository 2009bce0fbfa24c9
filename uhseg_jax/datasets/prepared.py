"""Prepared datasets as sources, by name."""

import bisect
import hashlib
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from uhseg_jax.datasets import masks, preparation
from uhseg_jax.datasets.davis import ClipDataset
from uhseg_jax.datasets.identity import content_of
from uhseg_jax.datasets.image_files import decode_image
from uhseg_jax.datasets.instances import InstanceDataset
from uhseg_jax.datasets.own import OwnSource
from uhseg_jax.datasets.pairs import read_names, select
from uhseg_jax.datasets.registry import DATASETS
from uhseg_jax.datasets.source import DatasetError, Example, Source, reading
from uhseg_jax.datasets.views import FlattenedSource
from uhseg_jax.files import expand_home
from uhseg_jax.images import PathLike
from uhseg_jax.taxonomy import Taxonomy

if TYPE_CHECKING:
    from uhseg_jax.datasets.builder import SegmentationBuilder

__all__ = ["PreparedSource", "load"]

_ADVICE = "remove the folder to prepare it anew"
_MANY = 20  # parts, of 500 images mostly, from which on reading shows its progress
_EXAMPLES = re.compile(r"\.array_record")  # in names of files


class PreparedSource:
    """A dataset that a builder prepared, in the order of its files.

    Attributes:
      name: of the dataset, for reports.
      taxonomy: what the ids in the labels are.
    """

    def __init__(
        self,
        directories: Sequence[PathLike],
        *,
        split: str,
        taxonomy: Taxonomy,
        name: str = "prepared",
    ):
        """Opens prepared parts.

        Args:
          directories: folders with a ``dataset_info.json``, in order.
          split: the split to read in each.
          taxonomy: the label hierarchy.
          name: what to call the dataset.

        Raises:
          DatasetError: a folder holds no prepared dataset, or a damaged one.
        """
        import tensorflow_datasets as tfds

        self.name = name
        self.taxonomy: Taxonomy = taxonomy
        self._split = split
        self._directories = [Path(directory) for directory in directories]
        self._parts: list[Any] = []
        for directory in self._directories:
            with reading(directory, "a prepared dataset", advice=_ADVICE):
                builder = tfds.builder_from_directory(os.fspath(directory))
                # We decode ourselves: TFDS refuses 16-bit PNGs unless OpenCV is there.
                skip = {
                    key: tfds.decode.SkipDecoding()
                    for key in builder.info.features
                    if key != "name"
                }
                self._parts.append(builder.as_data_source(split, decoders=skip))
        self._ends = list(itertools.accumulate(len(part) for part in self._parts))

    def __len__(self) -> int:
        """Number of examples."""
        return self._ends[-1] if self._ends else 0

    def fingerprint(self) -> str:
        """Of the split, and of the parts with the bytes of their examples.

        Raises:
          DatasetError: a file cannot be read.
        """
        digest = hashlib.sha256(f"{self.name} {self._split}\n".encode())
        parts = list(zip(self._directories, self._parts, strict=True))
        few = len(parts) < _MANY or None
        for folder, part in tqdm(parts, desc="contents", unit="part", disable=few):
            name = f"{folder.parent.name}/{folder.name}"
            files = sorted(x for x in folder.iterdir() if _EXAMPLES.search(x.name))
            contents = [(x.name, content_of(x)) for x in files]
            digest.update(f"{name} {len(part)} {contents}\n".encode())
        return digest.hexdigest()

    def __getitem__(self, index: int) -> Example:
        """Reads and decodes the example at a position.

        Raises:
          IndexError: there is no such position.
          DatasetError: the example is damaged.
        """
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} examples, no {index}.")
        part = bisect.bisect_right(self._ends, index)
        start = self._ends[part - 1] if part else 0
        expected = f"example {index - start} as it was prepared"
        with reading(self._directories[part], expected, advice=_ADVICE):
            return _decode(self._parts[part][index - start])


def load(
    name: str,
    *,
    split: str | None = None,
    data_dir: PathLike | None = None,
    manual_dir: PathLike | None = None,
    names: Sequence[str] | PathLike | None = None,
) -> Source:
    """A dataset by name, prepared first if need be.

    Datasets of objects (`instances`) and of clips (`davis`) are read as they lie: their
    folder is ``manual_dir`` or, without it, ``data_dir``.

    Args:
      name: one of `registry.DATASETS`, or ``FILE.py:NAME``, which runs that file
        (`own.dataset_in_file`).
      split: the split; by default the one that papers score.
      data_dir: where prepared datasets lie; by default as TFDS has it
        (``~/tensorflow_datasets`` or the environment variable TFDS_DATA_DIR).
      manual_dir: folder with the original files, laid out as the dataset's README says.
        Without it the split must have been prepared before.
      names: the examples to take, in this order: a list, or a text file with one name a
        line (the 2,175 images of PiCIE, say). By default all. A selection is prepared
        apart from the whole.

    Raises:
      DatasetError: the name or split is unknown, the files are missing, or they have
        problems; the message names them.
    """
    try:
        entry = DATASETS.find(name)
    except ValueError as error:
        raise DatasetError(str(error)) from error
    if isinstance(entry, (ClipDataset, InstanceDataset, OwnSource)):
        root = manual_dir or data_dir
        root = None if root is None else expand_home(root)
        return entry.open(root, split=split, names=names)
    builder = entry.load_builder()
    split = builder.DEFAULT_SPLIT if split is None else split
    if isinstance(names, (str, os.PathLike)):
        names = read_names(names)
    paths = _paths(builder, split, _data_dir(data_dir), manual_dir, names)
    taxonomy = builder.read_taxonomy(view=entry.view)
    source = PreparedSource(paths, split=split, taxonomy=taxonomy, name=entry.name)
    return source if entry.depth is None else FlattenedSource(source, depth=entry.depth)


def _paths(
    builder: type["SegmentationBuilder"],
    split: str,
    data_dir: Path,
    manual_dir: PathLike | None,
    names: Sequence[str] | None,
) -> list[Path]:
    """The prepared parts, after preparing what is missing."""
    builder.require_split(split)
    stem = preparation.stem_of(split, names)
    if manual_dir is None:
        found = preparation.find_parts(builder, data_dir, stem)
        if found is None:
            raise DatasetError(
                f"{builder.name}: the split {split} is not prepared in {data_dir}, and "
                "no folder of original files was given (manual_dir). Expected in it:\n"
                f"{builder.layout()}"
            )
        return found
    pairs = builder.pairs(expand_home(manual_dir), split)
    if names is not None:
        pairs = select(pairs, names, where=f"{builder.name} {split}")
    return preparation.prepare(
        builder, pairs, split=split, stem=stem, data_dir=data_dir
    )


def _data_dir(data_dir: PathLike | None) -> Path:
    if data_dir is None:
        import tensorflow_datasets as tfds

        data_dir = tfds.core.constants.DATA_DIR
    return expand_home(data_dir).absolute()


def _decode(features: dict[str, Any]) -> Example:
    """An example from the bytes that `builder` wrote."""
    labels = masks.decode_mask(features["label"])
    annotations, instances = features.get("annotations"), features.get("instances")
    if annotations is not None:
        annotations = masks.decode_mask(annotations).reshape(-1, *labels.shape)
    if instances is not None:
        instances = masks.decode_mask(instances).astype(np.int32)
        instances[instances == masks.NO_COUNT] = -1
    name = features["name"]
    return Example(
        name.decode() if isinstance(name, bytes) else str(name),
        decode_image(features["image"]),
        labels,
        annotations,
        instances,
    )
