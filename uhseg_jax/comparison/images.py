"""The images that tell evaluations apart: where they differ most, worst and best."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from uhseg_jax.comparison.groups import Group
from uhseg_jax.protocols.sheets import read_sheet
from uhseg_jax.types import Float, UInt8

__all__ = ["Choice", "Wins", "choose", "drawn_images", "panels_of", "wins"]


@dataclasses.dataclass(frozen=True)
class Choice:
    """Images that are shown under one heading.

    Attributes:
      heading: what they have in common.
      indices: their places in the order of the dataset.
    """

    heading: str
    indices: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Wins:
    """On how many images an evaluation is better than the first.

    Attributes:
      better: on how many.
      worse: on how many the first is.
      equal: on how many they score the same.
    """

    better: int
    worse: int
    equal: int


def drawn_images(group: Group) -> list[int]:
    """The places of the images of which there is a sheet of every evaluation."""
    common = set.intersection(*(set(x.sheets) for x in group.members))
    return sorted(common & set(range(len(group.first.images))))


def choose(group: Group, drawn: Sequence[int], *, count: int) -> list[Choice]:
    """Which of the images that are drawn are shown; none of them twice.

    Args:
      group: what is compared.
      drawn: places of the images to choose from.
      count: under each heading, at the most.
    """
    scores = np.stack([x.ranking() for x in group.members])
    places = np.array(drawn, np.int64)
    places = places[np.isfinite(scores[:, places]).all(axis=0)]
    chosen: list[Choice] = []
    first, spread = scores[0], np.ptp(scores, axis=0)
    orders = {"The first does worst": first, "The first does best": -first}
    if len(group.members) > 1:
        orders = {"Scores differ most": -spread, **orders}
    left = places.tolist()
    for heading, order in orders.items():
        ranked = sorted(left, key=lambda place, order=order: (order[place], place))
        taken = ranked[:count]
        if heading == "Scores differ most":
            taken = [x for x in taken if spread[x] > 0]
        left = [x for x in left if x not in taken]
        if taken:
            chosen.append(Choice(heading, tuple(taken)))
    return chosen


def panels_of(
    group: Group, index: int
) -> tuple[dict[str, UInt8[np.ndarray, "_ _ 3"]], list[dict[str, np.ndarray]]]:
    """What is drawn of an image: what all sheets show, and the regions of each.

    Raises:
      ValueError: a sheet is damaged.
    """
    sheets = [read_sheet(x.sheets[index]) for x in group.members]
    common = [x for x in ("Image", "Ground truth") if all(x in y for y in sheets)]
    truth = {name: sheets[0][name] for name in common}
    found = [{k: v for k, v in x.items() if k not in common} for x in sheets]
    return truth, found


def wins(first: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> Wins:
    """Compares the scores of images; those that one of both lacks are left out."""
    above = (other - first)[np.isfinite(first) & np.isfinite(other)]
    better, worse = int((above > 0).sum()), int((above < 0).sum())
    return Wins(better, worse, above.size - better - worse)
