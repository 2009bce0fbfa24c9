"""DAVIS: clips of some seconds with the masks of their objects in every frame."""

from uhseg_jax.datasets.davis.layouts import CLIP_DATASETS, ClipDataset

__all__ = ["CLIP_DATASETS", "ClipDataset"]
