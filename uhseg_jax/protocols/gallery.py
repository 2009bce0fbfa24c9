"""The worst and the best images of an evaluation beside their ground truth.

A drawing carries a mark of what it shows, so one that is there is known to be of these
scores, and a file of the same name that is none is left alone.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from uhseg_jax.datasets.objects import Objects
from uhseg_jax.datasets.source import Example
from uhseg_jax.escaping import escaped
from uhseg_jax.export.overlay import overlay
from uhseg_jax.export.png_files import note_of, save_png
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Integer, UInt8

__all__ = [
    "Shown",
    "choose_extremes",
    "draw_beside_truth",
    "drawing_names",
    "is_drawing",
    "note_on",
    "truth_of",
]

_MARK = "evaluation's drawing"
_COUNT = 4  # of the worst, and of the best


@dataclasses.dataclass(frozen=True)
class Shown:
    """What a drawing shows of an image.

    Attributes:
      image: the image.
      tree: its regions.
      truth: its ground truth, from `truth_of`.
      levels: numbers of regions to show (`Scorer.levels`).
    """

    image: UInt8[np.ndarray, "H W 3"]
    tree: RegionTree
    truth: Integer[np.ndarray, "H W"]
    levels: tuple[int, ...]

    @classmethod
    def of(
        cls,
        result: Segmentation,
        example: Example,
        taxonomy: Taxonomy,
        levels: tuple[int, ...],
    ) -> "Shown":
        """What a method found in an example, beside its ground truth.

        Args:
          result: what the method found.
          example: the image with its ground truth.
          taxonomy: what the ids in the ground truth are.
          levels: numbers of regions to show.
        """
        truth = truth_of(example, taxonomy)
        return cls(example.image, result.tree, truth, levels)


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


def draw_beside_truth(path: Path, shown: Shown, *, title: str, note: str) -> None:
    """Draws an image, its ground truth and its regions side by side.

    Args:
      path: the PNG to write.
      shown: what to draw.
      title: what stands above, such as the name of the image and its score.
      note: the mark, from `note_on`.

    Raises:
      OSError: the file cannot be written.
    """
    sheet = overlay(
        shown.image,
        shown.tree,
        levels=shown.levels,
        truth=shown.truth,
        title=escaped(title, kept=""),
    )
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
