"""The categories of a dataset, found with several seeds and scored."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from uhseg_jax.datasets.source import DatasetError, Source
from uhseg_jax.discovery import Discovery, Extractor, discover
from uhseg_jax.discovery.discover import LEVELS
from uhseg_jax.evaluation.score_files import claim, describe, write_scores
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.metrics import states
from uhseg_jax.protocols.collection import average_seeds
from uhseg_jax.protocols.scoring import Scoring
from uhseg_jax.refinement.config import Refinement

__all__ = ["evaluate_collection", "settings_of_collection"]

_FEATURES = "features"


def settings_of_collection(
    extractor: Extractor,
    source: Source,
    *,
    refinement: Refinement,
    num_seeds: int,
    version: str,
) -> dict[str, Any]:
    """What the scores depend on, JSON-ready."""
    config = dataclasses.asdict(extractor.config)
    del config["keep_features"]  # changes no result
    return describe(
        source,
        extractor.backbone,
        version=version,
        method="multilevel_clustering",
        config=config,
        refinement=dataclasses.asdict(refinement),
        num_seeds=num_seeds,
    )


def evaluate_collection(
    extractor: Extractor,
    source: Source,
    output: Path,
    *,
    refinement: Refinement,
    settings: dict[str, Any],
    num_seeds: int = 5,
    overwrite: bool = False,
    on_image: Callable[[int, str, int], None] = lambda seed, stage, index: None,
) -> dict[str, float]:
    """Discovers the categories of a dataset with several seeds and scores them.

    Stopped at any moment, the same call goes on where it was. Writes ``metrics.json``,
    ``settings.json`` and, for each seed, ``seed-N.json``.

    Args:
      extractor: the backbone with the config, whose seed is the first.
      source: images with ground truth.
      output: the folder for results.
      refinement: from patches to pixels.
      settings: from `settings_of_collection`; results of others are not mixed.
      num_seeds: how many seeds, one after the other.
      overwrite: forget what was scored before.
      on_image: called with the seed, the pass and the index after every image.

    Returns:
      What ``metrics.json`` holds: as `average_seeds` gives it.

    Raises:
      EvaluationError: the folder holds results of other settings.
      DatasetError: an example cannot be read.
    """
    stale = ["seed-*.json", "passes/seed-*/*/*.npz"]
    claim(output, settings, stale=stale, overwrite=overwrite)
    scores = {}
    for seed in range(extractor.config.seed, extractor.config.seed + num_seeds):
        path = output / f"seed-{seed}.json"
        if not path.exists():
            config = dataclasses.replace(extractor.config, seed=seed)
            found = discover(
                dataclasses.replace(extractor, config=config),
                (lambda index: source[index].image, len(source)),
                refinement=refinement,
                folder=output / "passes" / f"seed-{seed}",
                features=output / _FEATURES,
                on_image=lambda stage, i, seed=seed: on_image(seed, stage, i),
            )
            if found.failures:
                raise DatasetError(next(iter(found.failures.values())))
            write_scores(path, _score(found, source, config.num_categories))
        scores[seed] = json.loads(path.read_text(encoding="utf-8"))
    metrics = average_seeds(scores)
    write_scores(output / "metrics.json", metrics)
    return metrics


def _score(found: Discovery, source: Source, num_categories: int) -> dict[str, float]:
    scorer = Scoring("collection").scorer(source, num_categories=num_categories)
    total = scorer.empty()
    for index in range(len(source)):
        tree, categories = found.tree(index)
        masks = dict(zip(LEVELS, found.regions(index).levels, strict=True))
        result = Segmentation(tree, tree, categories, masks)
        total = states.merge(total, scorer.score(result, source[index])[0])
    return scorer.compute(total)
