"""The worst and the best images of an evaluation beside their ground truth.

A drawing carries a mark of what it shows, so one that is there is known to be of these
scores, and a file of the same name that is none is left alone.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from uhseg_jax.datasets.objects import Objects
from uhseg_jax.datasets.source import Example
from uhseg_jax.export.overlay import overlay
from uhseg_jax.export.png_files import note_of, save_png
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Integer

__all__ = [
    "choose_extremes",
    "draw_beside_truth",
    "drawing_names",
    "is_drawing",
    "note_on",
    "truth_of",
]

_MARK = "evaluation's drawing"
_COUNT = 4  # of the worst, and of the best


def choose_extremes(
    rows: Mapping[int, Mapping[str, float]], *, ranked_by: str
) -> dict[str, int]:
    """The images that score lowest and highest, by what they are called.

    Args:
      rows: the scores of images, by their index in the dataset.
      ranked_by: the score that counts (`Scorer.ranked_by`); images without it, or with
        NaN, are left out.

    Returns:
      Indices for ``worst-1`` to at most ``worst-4``, then ``best-1`` and so on; no
      image is both.
    """
    scored = [
        (score, index)
        for index, row in rows.items()
        if not math.isnan(score := row.get(ranked_by, math.nan))
    ]
    ranked = [index for _, index in sorted(scored)]
    count = min(_COUNT, len(ranked) // 2)
    worst = {f"worst-{i + 1}": ranked[i] for i in range(count)}
    return worst | {f"best-{i + 1}": ranked[-1 - i] for i in range(count)}


def drawing_names() -> list[str]:
    """All names that `choose_extremes` may give."""
    return [f"{rank}-{i + 1}" for rank in ("worst", "best") for i in range(_COUNT)]


def note_on(settings: str, name: str, row: Mapping[str, float]) -> str:
    """The mark of a drawing: what it shows, in few letters.

    Args:
      settings: digest of all that the scores depend on.
      name: of the example.
      row: its scores.
    """
    text = json.dumps([settings, name, row])
    return f"{_MARK} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def is_drawing(path: Path) -> bool:
    """Whether a file is a drawing of any evaluation."""
    return (note_of(path) or "").startswith(_MARK)


def draw_beside_truth(
    path: Path,
    result: Segmentation,
    example: Example,
    taxonomy: Taxonomy,
    *,
    levels: tuple[int, ...],
    note: str,
) -> None:
    """Draws an image, its ground truth and its regions side by side.

    Args:
      path: the PNG to write.
      result: what a method found in the image.
      example: the image with its ground truth.
      taxonomy: what the ids in the ground truth are.
      levels: numbers of regions to show (`Scorer.levels`).
      note: the mark, from `note_on`.

    Raises:
      OSError: the file cannot be written.
    """
    truth = truth_of(example, taxonomy)
    sheet = overlay(example.image, result.tree, levels=levels, truth=truth)
    save_png(path, sheet, note=note)


def truth_of(example: Example, taxonomy: Taxonomy) -> Integer[np.ndarray, "H W"]:
    """Class indices, negative where nothing counts; or the regions of one person.

    Where there is nothing but objects, each for itself: 0 where there is none, negative
    where crowds are.
    """
    if example.annotations is not None:
        return example.labels
    if example.objects is not None and example.instances is None:
        return _apart(example.objects, example.labels.shape)
    return taxonomy.flat().encode(example.labels)


def _apart(objects: Objects, shape: tuple[int, ...]) -> Integer[np.ndarray, "H W"]:
    """Objects as numbers from 1, the smaller over the larger."""
    shown, areas = np.zeros(shape, np.int32), np.full(shape, np.inf)
    for index, mask in enumerate(objects.decoded()):
        above = mask & (objects.areas[index] < areas)
        shown[above] = -1 if objects.crowd[index] else index + 1
        areas[above] = objects.areas[index]
    return shown
