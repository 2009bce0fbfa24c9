"""Images with ground truth: folders of files, and TFDS builders (one folder each)."""

from uhseg_jax.datasets.folder import FolderSource
from uhseg_jax.datasets.prepared import PreparedSource, load
from uhseg_jax.datasets.registry import DATASETS
from uhseg_jax.datasets.source import DatasetError, Example, Source

__all__ = [
    "DATASETS",
    "DatasetError",
    "Example",
    "FolderSource",
    "PreparedSource",
    "Source",
    "load",
]
