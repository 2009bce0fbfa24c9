"""The images that `uhseg-evaluate` scores: a config's dataset, or two folders."""

from pathlib import Path

from absl import flags

from uhseg_jax import backbones, datasets
from uhseg_jax.cli.config_files import Experiment

__all__ = ["of_config", "of_folders"]


def of_config(config: Experiment, values: flags.FlagValues) -> datasets.Source:
    """The config's dataset, prepared if need be.

    ``--data_dir`` alone may hold prepared data or the original files; those are then
    prepared in the user's cache, for the folder may not be ours to write to.
    """
    wanted = {"split": config.split, "names": values.names or config.names}
    folders = {"data_dir": values.data_dir, "manual_dir": values.manual_dir}
    try:
        return datasets.load(config.dataset, **wanted, **folders)
    except datasets.DatasetError:
        if values.manual_dir or not values.data_dir:
            raise
    folders = {
        "data_dir": backbones.checkpoint_directory() / "datasets",
        "manual_dir": values.data_dir,
    }
    return datasets.load(config.dataset, **wanted, **folders)


def of_folders(values: flags.FlagValues) -> datasets.Source:
    """The images of ``--images`` with the index PNGs of ``--masks``."""
    return datasets.FolderSource(
        values.images,
        values.masks,
        names=values.names,
        taxonomy=values.taxonomy,
        name=Path(values.masks).name,
    )
