"""Scores against the number of regions, one line for every evaluation."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from uhseg_jax.runs.compare import Evaluated, Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_COLUMNS = 3
_SIDE = 4.0  # inches of a panel
_TITLES = {
    "nmcovering": "NMCovering",
    "covering": "covering",
    "boundary_f": "boundary F",
}


def draw(path: str | os.PathLike[str], groups: Sequence[Group]) -> None:
    """Draws a panel for every curve of every group, as a PNG.

    Bands are one standard error wide on either side.

    Args:
      path: the file.
      groups: what is compared.

    Raises:
      ValueError: no evaluation has scores at numbers of regions.
    """
    from matplotlib.figure import Figure  # slow to import

    panels = [(x, name) for x in groups for name in _names(x)]
    if not panels:
        raise ValueError(
            "expected scores at several numbers of regions, as in "
            "full/nmcovering_at_8, but these evaluations have none to draw."
        )
    labels = list(dict.fromkeys(x.label for g in groups for x in g.members))
    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(
        figsize=(_SIDE * columns, (_SIDE - 0.6) * rows + 0.5), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for one, (group, name) in zip(axes, panels, strict=False):
        one.set_title(f"{_TITLES.get(name, name)}: {group.title}", fontsize=10)
        for member in group.members:
            _line(one, member, name, color=f"C{labels.index(member.label) % 10}")
        _label_numbers(one)
    for one in axes[len(panels) :]:
        one.set_axis_off()
    # Lines of the same label look alike, so one of each explains all.
    handles = {x.get_label(): x for one in axes for x in one.get_lines()}
    figure.legend(
        handles=[handles[x] for x in labels if x in handles],
        loc="outside lower center",
        ncols=min(len(labels), 4),
        frameon=False,
    )
    figure.savefig(path, format="png", dpi=150)


def _names(group: Group) -> list[str]:
    """The curves at full size that some evaluation has two points of."""
    found = {
        name.removeprefix("full/"): None
        for member in group.members
        for name, keys in member.curves().items()
        if name.startswith("full/") and len(keys) > 1
    }
    return list(found)


def _line(axes: "Axes", one: Evaluated, name: str, *, color: str) -> None:
    keys = one.curves().get(f"full/{name}", {})
    if not keys:
        return
    numbers = sorted(keys)
    scores = np.array([one.scores[keys[k]] for k in numbers])
    errors = np.array([one.error(keys[k]) for k in numbers])
    axes.plot(numbers, scores, color=color, marker=".", label=one.label)
    axes.fill_between(
        numbers, scores - errors, scores + errors, color=color, alpha=0.15, linewidth=0
    )


def _label_numbers(axes: "Axes") -> None:
    axes.set_xscale("log", base=2)
    low, high = (math.log2(x) for x in axes.get_xlim())
    ticks = [2**k for k in range(math.ceil(low), math.floor(high) + 1)]
    axes.set_xticks(ticks, [str(x) for x in ticks])
    axes.set_xlabel("regions at most")
    axes.grid(alpha=0.25)
