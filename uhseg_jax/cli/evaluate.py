"""`uhseg-evaluate`: scores a method on a dataset.

Usage: uhseg-evaluate --config=FILE --data_dir=DIR [--manual_dir=DIR] --output=DIR
       uhseg-evaluate --images=DIR --masks=DIR [--names=FILE] --output=DIR

The first form takes a file of configs/, prepares its dataset from the original files
in --manual_dir if --data_dir does not hold it yet (--data_dir alone may hold the
original files too), and scores it. The second scores a folder of images against a
folder of index PNGs as they lie there. Stopped at any moment, the same command goes on
where it was. --config.NAME=VALUE replaces what the file says, as in
--config.model=dinov2_vitb14_reg and --config.parameters.seed=3.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from tqdm import tqdm

import uhseg_jax
from uhseg_jax import backbones, datasets, evaluation, methods
from uhseg_jax.cli import evaluate_sources, refinement_flags
from uhseg_jax.cli.config_files import Experiment, read_config
from uhseg_jax.cli.config_overrides import UsageError
from uhseg_jax.cli.evaluate_flags import help_text, parse, scoring_of
from uhseg_jax.cli.startup import keep_compilations, keep_lapack_serial, keep_quiet
from uhseg_jax.evaluation import hosts
from uhseg_jax.pipeline import Segmenter

_SHOWN = (
    *("grid/nmcovering", "full/nmcovering", "full/covering_ods", "mean_nodes"),
    *("full/hungarian_miou", "full/hungarian_pacc", "mean_leaves"),
)


def main(argv: Sequence[str]) -> int:
    """Scores what a command line names.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if the evaluation failed, 2 for a command line that makes no
      sense, 130 if interrupted.
    """
    try:
        values, overrides = parse(argv)
        if values.help:
            print(f"{__doc__}\nFlags:\n{help_text()}")
            return 0
        if values.distributed:
            hosts.join(values.coordinator, values.processes, values.process)
        if values.config:
            _evaluate_config(read_config(values.config, overrides), values)
        else:
            _evaluate_folders(values)
        return 0
    except KeyboardInterrupt:
        message, status = "Interrupted; the same command goes on from here.", 130
    except UsageError as error:
        message, status = str(error), 2
    except (ValueError, OSError, backbones.WeightsError, hosts.HostsError) as error:
        message, status = str(error), 1
    print(message, file=sys.stderr)
    return status


def _evaluate_config(config: Experiment, values: flags.FlagValues) -> None:
    source = evaluate_sources.of_config(config, values)
    chosen = {"method": config.method, "model": config.model}
    segmenter = _segmenter(values, **chosen, config=config.parameters)
    _evaluate(source, segmenter, scoring_of(values, config.scoring), values)


def _evaluate_folders(values: flags.FlagValues) -> None:
    scoring, source = scoring_of(values), evaluate_sources.of_folders(values)
    config = methods.METHODS.find(values.method).preset(values.preset)
    chosen = {"method": values.method, "model": values.model}
    segmenter = _segmenter(values, **chosen, config=config)
    _evaluate(source, segmenter, scoring, values)


def _segmenter(values: flags.FlagValues, **chosen: Any) -> Segmenter:
    """One for this process's devices."""
    devices = jax.local_devices()
    mesh = None
    if len(devices) > 1:
        mesh = jax.sharding.Mesh(np.array(devices), ("data",))
    method = methods.METHODS.find(chosen["method"])
    return Segmenter.create(
        **chosen,
        refine=refinement_flags.resolve(values, default=method.refiner),
        checkpoint_dir=values.checkpoint_dir,
        mesh=mesh,
    )


def _evaluate(
    source: datasets.Source,
    segmenter: Segmenter,
    scoring: evaluation.Scoring,
    values: flags.FlagValues,
) -> None:
    settings = evaluation.settings_of(
        segmenter, source, version=uhseg_jax.__version__, scoring=scoring
    )
    share = len(range(hosts.index(), len(source), hosts.count()))
    with tqdm(total=share, unit="image", dynamic_ncols=True) as bar:

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
