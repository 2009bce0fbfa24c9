"""What `uhseg-evaluate` scores: a config's dataset, or images with their truth."""

import dataclasses
from pathlib import Path
from typing import Any

from uhseg_jax import backbones, datasets
from uhseg_jax.cli import flags
from uhseg_jax.cli.config_files import Experiment, read_config
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.datasets.davis import ClipDataset
from uhseg_jax.datasets.instances import InstanceDataset
from uhseg_jax.datasets.own import OwnSource
from uhseg_jax.methods import METHODS
from uhseg_jax.protocols import Scoring
from uhseg_jax.protocols.instances import INSTANCES

__all__ = ["experiment_of", "source_of"]


def experiment_of(values: flags.Flags) -> Experiment:
    """What a config says, or the flags of a folder, with the flags on scoring.

    Annotations of objects are scored as such unless a flag says otherwise.

    Raises:
      ConfigError: the file is no config.
      UsageError: flags have values that they cannot have, or not together.
      ValueError: there is no such method or preset.
    """
    if values.config:
        experiment = read_config(values.config, values.override)
    else:
        experiment = Experiment(
            dataset="",
            split="",
            model=values.model,
            method=values.method,
            parameters=METHODS.find(values.method).preset(values.preset),
            names=values.names,
            protocol=INSTANCES.name if values.annotations else Scoring.protocol,
        )
    given: dict[str, Any] = {
        x.name: values[x.name].value
        for x in dataclasses.fields(Scoring)
        if x.name in values and values[x.name].present
    }
    try:
        return dataclasses.replace(experiment, **given)
    except ValueError as error:
        raise UsageError(str(error)) from error


def source_of(experiment: Experiment, values: flags.Flags) -> datasets.Source:
    """The images with their ground truth; a dataset is prepared if need be.

    ``--data_dir`` alone may hold prepared data or the original files; those are then
    prepared in the user's cache, for the folder may not be ours to write to. Datasets
    of objects and of clips are read from either as they lie.
    """
    names = values.names or experiment.names
    if not experiment.dataset and values.annotations:
        listed = Path(values.annotations)
        cls = datasets.Sa1bSource if listed.is_dir() else datasets.CocoJsonSource
        return cls(values.images, listed, names=names, name=listed.stem)
    if not experiment.dataset:
        return datasets.FolderSource(
            values.images,
            values.masks,
            names=names,
            taxonomy=values.taxonomy,
            name=Path(values.masks).name,
        )
    wanted = {"split": experiment.split, "names": names}
    folders = {"data_dir": values.data_dir, "manual_dir": values.manual_dir}
    try:
        return datasets.load(experiment.dataset, **wanted, **folders)
    except datasets.DatasetError:
        if values.manual_dir or not values.data_dir or not _is_prepared(experiment):
            raise
    folders = {
        "data_dir": backbones.checkpoint_directory() / "datasets",
        "manual_dir": values.data_dir,
    }
    return datasets.load(experiment.dataset, **wanted, **folders)


def _is_prepared(experiment: Experiment) -> bool:
    """Whether a dataset is prepared before it is read."""
    dataset = datasets.DATASETS.find(experiment.dataset)
    return not isinstance(dataset, (ClipDataset, InstanceDataset, OwnSource))
