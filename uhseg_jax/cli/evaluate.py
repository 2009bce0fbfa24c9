"""`uhseg-evaluate`: scores a method on a dataset.

Usage: uhseg-evaluate --config=FILE --data_dir=DIR [--manual_dir=DIR] --output=DIR
       uhseg-evaluate --images=DIR --masks=DIR [--names=FILE] --output=DIR

The first form takes a file of configs/, prepares its dataset from the original files
in --manual_dir if --data_dir does not hold it yet, and scores it. The second scores a
folder of pictures against a folder of index PNGs as they lie there. Stopped at any
moment, the same command goes on where it was.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from ml_collections import config_dict, config_flags
from tqdm import tqdm

import uhseg_jax
from uhseg_jax import backbones, datasets, evaluation, methods
from uhseg_jax.cli.startup import keep_compilations, keep_lapack_serial, keep_quiet
from uhseg_jax.datasets.folder import FolderSource
from uhseg_jax.datasets.prepared import load
from uhseg_jax.evaluation import hosts
from uhseg_jax.pipeline import DEFAULT_METHOD, Segmenter

_SHOWN = ("grid/nmcovering", "full/nmcovering", "full/covering_ods", "mean_nodes")


def _define() -> flags.FlagValues:
    values = flags.FlagValues()

    def text(name: str, meaning: str, default: str | None = None) -> None:
        flags.DEFINE_string(name, default, meaning, flag_values=values)

    def switch(name: str, meaning: str) -> None:
        flags.DEFINE_bool(name, False, meaning, flag_values=values)

    switch("help", "Show this and exit.")
    config_flags.DEFINE_config_file(
        "config",
        help_string="A file of configs/; --config.parameters.NAME=VALUE overrides.",
        flag_values=values,
    )
    text("data_dir", "Folder of prepared datasets; as TFDS has it by default.")
    text("manual_dir", "Folder of the dataset's original files.")
    text("images", "Folder of pictures, instead of a config.")
    text("masks", "Folder of index PNGs with the names of the pictures.")
    text("names", "Text file with the names to take, one a line; all by default.")
    text("taxonomy", "Label hierarchy of the masks; by default 0 is background, 255 is "
         "ignored and every other id a class.")  # fmt: skip
    text("model", "Backbone for --images.", backbones.DEFAULT_VARIANT)
    text("preset", "Parameters of the method for --images.", "default")
    text("output", "Folder for the scores.", "scores")
    text("checkpoint_dir", "Folder of converted weights; the user's cache by default.")
    switch("overwrite", "Forget what was scored before.")
    switch("distributed", "One of several processes (jax.distributed); a cluster's own "
           "settings are found, or give the next three.")  # fmt: skip
    text("coordinator", "HOST:PORT of the first process.")
    flags.DEFINE_integer("processes", None, "How many.", flag_values=values)
    flags.DEFINE_integer("process", None, "Which, from 0.", flag_values=values)
    return values


def main(argv: Sequence[str]) -> int:
    """Scores what a command line names; returns the exit status."""
    values = _define()
    try:
        values(argv)
        if values.help:
            print(f"{__doc__}\nFlags:\n{values.module_help(__name__)}")
            return 0
        if values.distributed:
            jax.distributed.initialize(
                values.coordinator, values.processes, values.process
            )
        source, segmenter = _from_config(values) if values.config else _folder(values)
        _evaluate(source, segmenter, values)
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    except flags.Error as error:
        print(f"{error}. See uhseg-evaluate --help.", file=sys.stderr)
        return 2
    except (ValueError, OSError, backbones.WeightsError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _from_config(values: flags.FlagValues) -> tuple[datasets.Source, Segmenter]:
    config = values.config
    source = load(
        config.dataset,
        split=config.split,
        data_dir=values.data_dir,
        manual_dir=values.manual_dir,
        names=values.names,
    )
    method = methods.get_method(config.method)
    segmenter = Segmenter.create(
        method=config.method,
        model=config.model,
        config=_frozen(config.parameters, method.config),
        checkpoint_dir=values.checkpoint_dir,
        mesh=_mesh(),
    )
    return source, segmenter


def _mesh() -> jax.sharding.Mesh | None:
    """This process's devices, if there are several."""
    devices = jax.local_devices()
    if len(devices) == 1:
        return None
    return jax.sharding.Mesh(np.array(devices), ("data",))


def _frozen(parameters: config_dict.ConfigDict, cls: type) -> Any:
    """The method's frozen config from the flag's mutable one."""
    names = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(set(parameters) - names)
    if unknown:
        raise ValueError(
            f"the config sets {', '.join(unknown)}, but the method has the parameters "
            f"{', '.join(sorted(names))}."
        )
    as_tuples = {
        name: tuple(value) if isinstance(value, (list, tuple)) else value
        for name, value in parameters.items()
    }
    return cls(**as_tuples)


def _folder(values: flags.FlagValues) -> tuple[datasets.Source, Segmenter]:
    if not (values.images and values.masks):
        raise flags.IllegalFlagValueError(
            "expected --config, or --images and --masks together"
        )
    source = FolderSource(
        values.images,
        values.masks,
        names=values.names,
        taxonomy=values.taxonomy,
        name=Path(values.masks).name,
    )
    config = methods.get_method(DEFAULT_METHOD).preset(values.preset)
    segmenter = Segmenter.create(
        model=values.model,
        config=config,
        checkpoint_dir=values.checkpoint_dir,
        mesh=_mesh(),
    )
    return source, segmenter


def _evaluate(
    source: datasets.Source, segmenter: Segmenter, values: flags.FlagValues
) -> None:
    settings = evaluation.settings_of(segmenter, source, version=uhseg_jax.__version__)
    share = len(range(hosts.index(), len(source), hosts.count()))
    with tqdm(total=share, unit="picture", dynamic_ncols=True) as bar:

        def on_image(name: str, scores: dict[str, float]) -> None:
            del name
            seen = scores["images"] + scores["skipped"]
            shown = [k for k in _SHOWN if k in scores]
            text = ", ".join(f"{key} {scores[key]:.3f}" for key in shown)
            bar.set_postfix_str(text, refresh=False)
            bar.update(seen - bar.n)

        metrics = evaluation.evaluate(
            segmenter,
            source,
            Path(values.output).expanduser(),
            settings=settings,
            overwrite=values.overwrite,
            on_image=on_image,
        )
    if hosts.index():
        return
    print(json.dumps(metrics, indent=2))
    print(f"Written to {values.output}: metrics.json and per_image.csv.")


def run() -> None:
    """Entry point of the installed command."""
    keep_quiet()
    keep_compilations()
    keep_lapack_serial()
    sys.exit(main(sys.argv))


if __name__ == "__main__":
    run()
