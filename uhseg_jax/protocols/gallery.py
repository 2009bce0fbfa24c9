"""The worst and the best images of an evaluation beside their ground truth."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.evaluation.journal import Entry
from uhseg_jax.export.overlay import overlay, save_png
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.types import Integer

__all__ = ["draw_extremes"]

# The first one that the rows have. Of matched segments the share of pixels: every spare
# segment lowers an image's mIoU, so that would rank by the number of segments.
_KEYS = ("full/nmcovering", "full/covering", "full/hungarian_pacc")


def draw_extremes(
    segmenter: Segmenter,
    source: Source,
    entries: Sequence[Entry],
    folder: Path,
    *,
    levels: Sequence[int] = (8, 32),
    count: int = 4,
) -> list[Path]:
    """Draws the images that score lowest and highest.

    Args:
      segmenter: what made the trees; it makes those few again.
      source: the dataset.
      entries: its images with their scores.
      folder: for ``worst-1.png``, ... and ``best-1.png``, ...; the captions of each
        are the image, its ground truth and its regions.
      levels: numbers of regions to show.
      count: how many of each at the most.

    Returns:
      The files, worst first.
    """
    scored = [
        (score, entry) for entry in entries if not math.isnan(score := _score(entry))
    ]
    ranked = [entry for _, entry in sorted(scored, key=lambda x: (x[0], x[1].index))]
    count = min(count, len(ranked) // 2)
    chosen = {f"worst-{i + 1}": ranked[i] for i in range(count)}
    chosen |= {f"best-{i + 1}": ranked[-1 - i] for i in range(count)}
    paths = []
    for name, entry in chosen.items():
        example = source[entry.index]
        tree = segmenter([example.image])[0]
        truth = _truth(source, example)
        paths.append(folder / f"{name}.png")
        sheet = overlay(example.image, tree, levels=levels, truth=truth)
        save_png(paths[-1], sheet)
    return paths


def _score(entry: Entry) -> float:
    return next((entry.row[key] for key in _KEYS if key in entry.row), math.nan)


def _truth(source: Source, example: Example) -> Integer[np.ndarray, "H W"]:
    """Class indices, negative where nothing counts; or the regions of one person."""
    if example.annotations is not None:
        return example.labels
    return source.taxonomy.flat().encode(example.labels)
