"""The seconds of a benchmark as bars, a panel for every section."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from uhseg_jax.benchmarks.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_WIDTH = 9.0  # inches
_BAR = 0.26  # inches of a bar with its gap


def draw(path: str | os.PathLike[str], records: Mapping[str, Record]) -> None:
    """Draws medians with their fastest and slowest calls, as a PNG.

    Args:
      path: the file.
      records: by the names of their sections; those without timings are left out.

    Raises:
      ValueError: there are no timings.
    """
    from matplotlib.figure import Figure  # slow to import

    shown = {name: x for name, x in records.items() if x.timings}
    if not shown:
        raise ValueError(
            "expected sections with seconds, but those measured have none to draw."
        )
    counts = [len(x.timings) for x in shown.values()]
    height = _BAR * sum(counts) + 0.7 * len(shown)
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=counts).ravel()
    for one, (name, record) in zip(axes, shown.items(), strict=True):
        _bars(one, name, record)
    figure.savefig(path, format="png", dpi=150)


def _bars(axes: "Axes", name: str, record: Record) -> None:
    timings = list(record.timings.values())
    medians = [x.median for x in timings]
    ranges = [
        [x.median - min(x.seconds) for x in timings],
        [max(x.seconds) - x.median for x in timings],
    ]
    anchors = {x.to for x in record.figures} - {x.of for x in record.figures}
    colors = ["0.6" if key in anchors else "C0" for key in record.timings]
    names = list(record.timings)
    bars = axes.barh(names, medians, xerr=ranges, color=colors, height=0.7)
    axes.bar_label(bars, fmt="%.3g", padding=4, fontsize=7)
    axes.invert_yaxis()
    axes.set_title(f"{name}: seconds", fontsize=10, loc="left")
    axes.tick_params(labelsize=7)
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
