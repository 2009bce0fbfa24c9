"""What `uhseg-evaluate` scores: a config's dataset, or two folders."""

from pathlib import Path

from uhseg_jax import backbones, datasets
from uhseg_jax.cli import flags
from uhseg_jax.cli.config_files import Experiment, read_config
from uhseg_jax.methods import METHODS
from uhseg_jax.protocols import Scoring

__all__ = ["experiment_of", "source_of"]


def experiment_of(values: flags.Flags) -> Experiment:
    """What a config says, or what the flags say of two folders.

    Raises:
      ConfigError: the file is no config.
      UsageError: an override names no field or has a value that it cannot have.
      ValueError: there is no such method or preset.
    """
    if values.config:
        return read_config(values.config, values.override)
    return Experiment(
        dataset="",
        split="",
        model=values.model,
        method=values.method,
        parameters=METHODS.find(values.method).preset(values.preset),
        scoring=Scoring(),
        names=values.names,
    )


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
