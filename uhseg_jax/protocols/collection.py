"""Scores of categories found in a dataset, against its classes.

As MaskContrast does: one cluster for the background and one for each category, matched
with the classes by a single Hungarian assignment for the whole set, on the IoU, at the
original resolution. The seeds of the clusterings matter, so the mean and the spread
over several are given.
Beside that stands how well the foreground is found at each level, classes aside.
"""

import dataclasses
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.datasets.source import DatasetError, Source
from uhseg_jax.discovery import Discovery, Extractor, discover
from uhseg_jax.discovery.discover import LEVELS
from uhseg_jax.evaluation.score_files import claim, describe, write_scores
from uhseg_jax.metrics import states
from uhseg_jax.metrics.matching import DatasetMatchingState
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.types import Bool, Int

__all__ = ["evaluate_collection", "score_discovery", "settings_of_collection"]

_FEATURES = "features"
_PLACES = ("everything", *LEVELS, "refined")


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
      What ``metrics.json`` holds: the means of `score_discovery` over the seeds, and
      ``full/miou_std`` (NaN for one seed) and ``full/miou_seed_N``.

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
            write_scores(path, score_discovery(found, source, config.num_categories))
        scores[seed] = json.loads(path.read_text(encoding="utf-8"))
    rows = [{k: _nan(v) for k, v in row.items()} for row in scores.values()]
    metrics = {key: statistics.fmean(row[key] for row in rows) for key in rows[0]}
    mious = [row["full/miou"] for row in rows]
    metrics["full/miou_std"] = statistics.stdev(mious) if len(mious) > 1 else math.nan
    metrics |= {f"full/miou_seed_{s}": m for s, m in zip(scores, mious, strict=True)}
    write_scores(output / "metrics.json", metrics)
    return metrics


def score_discovery(
    found: Discovery, source: Source, num_categories: int
) -> dict[str, float]:
    """Scores the categories found in a dataset, in fractions of 1.

    Args:
      found: of the images of the source, in its order.
      source: images with ground truth.
      num_categories: that were asked for; with the background, as many as classes.

    Returns:
      ``full/miou`` and ``full/pacc`` of the matching; ``foreground/PLACE_iou``, summed
      over the set, of the mask of each level on the patch grid brought to full size by
      nearest neighbour, of the regions in pixels ("refined") and of the whole image
      ("everything"), and ``..._iou_per_picture``, the mean over images;
      ``images``, ``skipped``, ``mean_regions`` and ``categories``.
    """
    classes = source.taxonomy.flat()
    state = DatasetMatchingState.empty(num_categories + 1, classes.num_classes)
    tallies: dict[str, list[tuple[int, int]]] = {place: [] for place in _PLACES}
    for index in range(len(source)):
        example = source[index]
        try:
            truth = classes.encode(example.labels)
        except ValueError as error:
            raise DatasetError(f"{example.name}: {error}") from error
        predicted = resize_labels(found.categories(index), truth.shape)
        state = state.update(predicted, truth)
        for place, mask in _masks(found, index, truth.shape).items():
            tallies[place].append(_overlap(mask, truth))
    scores = state.compute()
    row = {f"full/{name}": scores.pop(name) for name in ("miou", "pacc")}
    for place, pairs in tallies.items():
        both, either = np.array(pairs).T
        row[f"foreground/{place}_iou"] = float(states.ratio(both.sum(), either.sum()))
        known = either > 0
        mean = np.mean(both[known] / either[known]) if known.any() else math.nan
        row[f"foreground/{place}_iou_per_picture"] = float(mean)
    regions = sum(len(x) for x in found.numbers)
    counts = {"mean_regions": regions / len(source), "categories": found.count}
    return {**row, **scores, **counts}


def _masks(
    found: Discovery, index: int, size: tuple[int, ...]
) -> dict[str, Bool[np.ndarray, "H W"]]:
    regions = found.regions(index)
    levels = {
        name: resize_labels(mask.astype(np.int32), size) > 0
        for name, mask in zip(LEVELS, regions.levels, strict=True)
    }
    return {
        "everything": np.ones(size, bool),
        **levels,
        "refined": resize_labels(regions.labels, size) > 0,
    }


def _overlap(
    mask: Bool[np.ndarray, "H W"], truth: Int[np.ndarray, "H W"]
) -> tuple[int, int]:
    """Pixels of intersection and union with the classes that are not background."""
    counts, foreground = truth >= 0, truth > 0
    mask = mask & counts
    return int((mask & foreground).sum()), int((mask | foreground).sum())


def _nan(value: float | int | None) -> float:
    return math.nan if value is None else float(value)
