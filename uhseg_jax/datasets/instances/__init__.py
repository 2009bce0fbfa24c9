"""Datasets of objects that are read as they lie, without preparation."""

from uhseg_jax.datasets.instances.layouts import (
    INSTANCE_DATASETS,
    InstanceDataset,
    SplitFiles,
)

__all__ = ["INSTANCE_DATASETS", "InstanceDataset", "SplitFiles"]
