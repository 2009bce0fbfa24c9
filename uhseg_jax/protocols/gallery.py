"""The worst and the best images of an evaluation beside their ground truth."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from uhseg_jax.datasets.source import Example
from uhseg_jax.export.overlay import overlay
from uhseg_jax.export.png_files import save_png
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Integer

__all__ = ["choose_extremes", "draw_beside_truth"]


def choose_extremes(
    rows: Mapping[int, Mapping[str, float]], *, ranked_by: str, count: int = 4
) -> dict[str, int]:
    """The images that score lowest and highest, by what they are called.

    Args:
      rows: the scores of images, by their index in the dataset.
      ranked_by: the score that counts (`Scorer.ranked_by`); images without it, or with
        NaN, are left out.
      count: how many of each at the most.

    Returns:
      Indices for ``worst-1``, ``worst-2``, ..., then ``best-1``, ...; no image is both.
    """
    scored = [
        (score, index)
        for index, row in rows.items()
        if not math.isnan(score := row.get(ranked_by, math.nan))
    ]
    ranked = [index for _, index in sorted(scored)]
    count = min(count, len(ranked) // 2)
    worst = {f"worst-{i + 1}": ranked[i] for i in range(count)}
    return worst | {f"best-{i + 1}": ranked[-1 - i] for i in range(count)}


def draw_beside_truth(
    path: Path,
    result: Segmentation,
    example: Example,
    taxonomy: Taxonomy,
    *,
    levels: tuple[int, ...],
) -> None:
    """Draws an image, its ground truth and its regions side by side.

    Args:
      path: the PNG to write.
      result: what a method found in the image.
      example: the image with its ground truth.
      taxonomy: what the ids in the ground truth are.
      levels: numbers of regions to show (`Scorer.levels`).
    """
    truth = _truth(example, taxonomy)
    save_png(path, overlay(example.image, result.tree, levels=levels, truth=truth))


def _truth(example: Example, taxonomy: Taxonomy) -> Integer[np.ndarray, "H W"]:
    """Class indices, negative where nothing counts; or the regions of one person."""
    if example.annotations is not None:
        return example.labels
    return taxonomy.flat().encode(example.labels)
