"""Images with ground truth: files as they lie, and TFDS builders (one folder each)."""

from uhseg_jax.datasets.clips import ClipExample, ClipSource
from uhseg_jax.datasets.coco_json import CocoJsonSource
from uhseg_jax.datasets.davis import ClipDataset
from uhseg_jax.datasets.folder import FolderSource
from uhseg_jax.datasets.instances import InstanceDataset, SplitFiles
from uhseg_jax.datasets.masks import read_colors, read_mask
from uhseg_jax.datasets.objects import Objects
from uhseg_jax.datasets.pairs import Pair, find_pairs, list_pairs, read_names
from uhseg_jax.datasets.prepared import PreparedSource, load
from uhseg_jax.datasets.registry import DATASETS
from uhseg_jax.datasets.sa1b import Sa1bSource
from uhseg_jax.datasets.source import DatasetError, Example, Source, objects_of

__all__ = [
    "DATASETS",
    "ClipDataset",
    "ClipExample",
    "ClipSource",
    "CocoJsonSource",
    "DatasetError",
    "Example",
    "FolderSource",
    "InstanceDataset",
    "Objects",
    "Pair",
    "PreparedSource",
    "Sa1bSource",
    "Source",
    "SplitFiles",
    "find_pairs",
    "list_pairs",
    "load",
    "objects_of",
    "read_colors",
    "read_mask",
    "read_names",
]
