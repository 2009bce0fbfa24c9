"""`uhseg-evaluate` with a method that learns from all the images together."""

import json
from pathlib import Path

from absl import flags
from tqdm import tqdm

import uhseg_jax
from uhseg_jax import datasets, methods
from uhseg_jax.cli import refinement_flags
from uhseg_jax.cli.config_files import Experiment
from uhseg_jax.cli.config_overrides import UsageError
from uhseg_jax.discovery import Extractor
from uhseg_jax.evaluation.collection import (
    evaluate_collection,
    settings_of_collection,
)
from uhseg_jax.protocols.scoring import Scoring

__all__ = ["evaluate"]

_NUM_SEEDS = 5


def evaluate(
    experiment: Experiment, source: datasets.Source, values: flags.FlagValues
) -> None:
    """Scores the categories that a config's method finds in its dataset.

    Raises:
      UsageError: several processes or another protocol were asked for.
      ValueError, WeightsError: as `evaluate`'s main tells them.
    """
    if values.distributed:
        raise UsageError(
            f"--distributed does not go with {experiment.method}: its categories are "
            "found by one process."
        )
    if experiment.scoring != Scoring():
        raise UsageError(
            f"{experiment.method} finds the categories of a whole dataset, which has a "
            "protocol of its own; leave protocol, crop, num_regions and boundaries out "
            "of its config."
        )
    method = methods.get_method(experiment.method)
    refinement = refinement_flags.resolve(values, default=method.refiner)
    extractor = Extractor.create(
        model=experiment.model,
        config=experiment.parameters,
        checkpoint_dir=values.checkpoint_dir,
    )
    output = Path(values.output).expanduser()
    settings = settings_of_collection(
        extractor,
        source,
        refinement=refinement,
        num_seeds=_NUM_SEEDS,
        version=uhseg_jax.__version__,
    )
    total = 2 * _NUM_SEEDS * len(source)
    with tqdm(total=total, unit="image", dynamic_ncols=True) as bar:

        def on_image(seed: int, stage: str, index: int) -> None:
            bar.set_postfix_str(f"seed {seed}, {stage} {index + 1}", refresh=False)
            rounds = 2 * (seed - extractor.config.seed) + (stage == "regions")
            bar.update(rounds * len(source) + index + 1 - bar.n)

        metrics = evaluate_collection(
            extractor,
            source,
            output,
            refinement=refinement,
            settings=settings,
            num_seeds=_NUM_SEEDS,
            overwrite=values.overwrite,
            on_image=on_image,
        )
    print(json.dumps(metrics, indent=2))
    print(f"Written to {values.output}: metrics.json, and seed-N.json for each seed.")
