"""What `uhseg-evaluate` scores: a config's dataset, or two folders."""

import dataclasses
from pathlib import Path
from typing import Any

from uhseg_jax import backbones, datasets
from uhseg_jax.cli import flags
from uhseg_jax.cli.config_files import Experiment, read_config
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.methods import METHODS
from uhseg_jax.protocols import Scoring

__all__ = ["experiment_of", "source_of"]


def experiment_of(values: flags.Flags) -> Experiment:
    """What a config says, or the flags of two folders, with the flags on scoring.

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
        )
    given: dict[str, Any] = {
        x.name: values[x.name].value
        for x in dataclasses.fields(Scoring)
        if values[x.name].present
    }
    try:
        return dataclasses.replace(experiment, **given)
    except ValueError as error:
        raise UsageError(str(error)) from error


def source_of(experiment: Experiment, values: flags.Flags) -> datasets.Source:
    """The images with their ground truth; a dataset is prepared if need be.

    ``--data_dir`` alone may hold prepared data or the original files; those are then
    prepared in the user's cache, for the folder may not be ours to write to.
    """
    names = values.names or experiment.names
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
        if values.manual_dir or not values.data_dir:
            raise
    folders = {
        "data_dir": backbones.checkpoint_directory() / "datasets",
        "manual_dir": values.data_dir,
    }
    return datasets.load(experiment.dataset, **wanted, **folders)
