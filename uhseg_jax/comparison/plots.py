"""Scores against numbers of regions, precision against recall, differences: drawn.

The same panels are drawn together as PNG and one by one as SVG. The SVG has no
background, and its ink is that of the page around it.
"""

import contextlib
import dataclasses
import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from uhseg_jax.comparison.groups import Group
from uhseg_jax.comparison.reading import Evaluated
from uhseg_jax.comparison.scores import title_of
from uhseg_jax.comparison.statistics import Estimate
from uhseg_jax.comparison.tables import Row, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Panel",
    "budget_panels",
    "color_of",
    "difference_panel",
    "png",
    "recall_panels",
    "svg",
]

# Told from each other by the colour-blind, on white as on black; marks tell as well.
_COLORS = (
    *("#2f7ed8", "#e0602c", "#1a9a74", "#a86cc1"),
    *("#b58a00", "#d6478a", "#1499b8", "#808080"),
)
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
_COLUMNS = 3
_SIZE = (4.4, 3.5)  # inches of a panel
_INK = "#222226"  # in SVG that of the page
_INKED = (
    *("text.color", "axes.edgecolor", "axes.labelcolor"),
    *("xtick.color", "ytick.color"),
)
_F_LINES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_AROUND = 0.15  # opacity of bands


@dataclasses.dataclass(frozen=True)
class Panel:
    """A plot.

    Attributes:
      title: what it shows, for its heading and for those who do not see it.
      draw: draws it on axes.
      size: width and height in inches.
      labels: of the evaluations in it.
      key: tells it from the others of a page.
    """

    title: str
    draw: Callable[["Axes"], None]
    size: tuple[float, float] = _SIZE
    labels: tuple[str, ...] = ()
    key: str = ""


def color_of(label: str, labels: Sequence[str]) -> str:
    """The colour of an evaluation, as ``#rrggbb``."""
    return _COLORS[labels.index(label) % len(_COLORS)]


def budget_panels(group: Group, labels: Sequence[str]) -> list[Panel]:
    """Scores at full size against the number of regions or proposals.

    Args:
      group: what is compared.
      labels: of all evaluations of a comparison, which give the colours.
    """
    names = dict.fromkeys(
        name
        for member in group.members
        for name, keys in member.budgets().items()
        if name.startswith("full/") and len(keys) > 1
    )
    return [_budget_panel(group, name, labels) for name in names]


def _budget_panel(group: Group, name: str, labels: Sequence[str]) -> Panel:
    unit = "proposals" if name.endswith("/ar") else "regions"

    def draw(axes: "Axes") -> None:
        for member in group.members:
            if keys := member.budgets().get(name):
                _budget_line(axes, member, keys, labels)
        axes.set_xscale("log", base=2)
        low, high = (math.log2(x) for x in axes.get_xlim())
        ticks = [2**k for k in range(math.ceil(low), math.floor(high) + 1)]
        axes.set_xticks(ticks, [str(x) for x in ticks])
        axes.minorticks_off()
        axes.set_xlabel(f"{unit} at most")

    members = tuple(x.label for x in group.members if name in x.budgets())
    return Panel(
        f"{title_of(name)} by number of {unit}",
        draw,
        labels=members,
        key=f"{group.title} {name}",
    )


def _budget_line(
    axes: "Axes", one: Evaluated, keys: dict[int, str], labels: Sequence[str]
) -> None:
    numbers = sorted(keys)
    found = [one.score(keys[k]) for k in numbers]
    scores = np.array([x.value for x in found])
    errors = np.array([x.error for x in found])
    style = _style(one.label, labels)
    axes.plot(numbers, scores, **style)
    axes.fill_between(
        numbers,
        scores - errors,
        scores + errors,
        color=style["color"],
        alpha=_AROUND,
        linewidth=0,
    )


def recall_panels(group: Group, labels: Sequence[str]) -> list[Panel]:
    """The curves of precision against recall.

    Args:
      group: what is compared.
      labels: of all evaluations of a comparison, which give the colours.
    """
    names = dict.fromkeys(name for one in group.members for name in one.curves)
    return [_recall_panel(group, name, labels) for name in names]


def _recall_panel(group: Group, name: str, labels: Sequence[str]) -> Panel:
    members = [one for one in group.members if name in one.curves]
    axis_names = members[0].curves[name]

    def draw(axes: "Axes") -> None:
        if axis_names.y_name == "precision":
            _lines_of_equal_f(axes)
        for member in members:
            curve = member.curves[name]
            few = len(curve.x) <= 64
            style = _style(member.label, labels)
            # A scale without any contour has no precision; it counts as 0 and 0.
            points = [p for p in zip(curve.x, curve.y, strict=True) if any(p)]
            x, y = np.reshape(points, (-1, 2)).T
            axes.plot(x, y, **(style if few else {**style, "marker": ""}))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel(axis_names.x_name)
        axes.set_ylabel(axis_names.y_name)

    title = f"{axis_names.y_name} and {axis_names.x_name}: {title_of(name)}"
    return Panel(
        title[0].upper() + title[1:],
        draw,
        labels=tuple(x.label for x in members),
        key=f"{group.title} {name}",
    )


def _lines_of_equal_f(axes: "Axes") -> None:
    for f in _F_LINES:
        recall = np.linspace(f / 2 + 1e-3, 1, 200)
        axes.plot(recall, f * recall / (2 * recall - f), color=_INK, alpha=0.2, lw=0.6)
        axes.annotate(
            f"F {f}", (1, f / (2 - f)), (3, 0), textcoords="offset points",
            fontsize=6.5, va="center", alpha=0.7, annotation_clip=False,
        )  # fmt: skip


def difference_panel(group: Group, rows: Sequence[Row], labels: Sequence[str]) -> Panel:
    """By how much scores are above those of the first, with their intervals.

    Args:
      group: what is compared.
      rows: the scores.
      labels: of all evaluations of a comparison, which give the colours.
    """
    step = 0.7 / max(len(group.others), 1)

    def draw(axes: "Axes") -> None:
        axes.axvline(0, color=_INK, lw=1)
        for place, row in enumerate(rows):
            for number, (one, cell) in enumerate(
                zip(group.others, row.cells[1:], strict=True)
            ):
                if (above := cell.above) is None:
                    continue
                height = place + (number - (len(group.others) - 1) / 2) * step
                _interval(axes, above, height, _style(one.label, labels))
        axes.set_yticks(range(len(rows)), [title_of(row.key) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(f"above {_short(group.first.label)}, 95 % intervals")

    height = 0.9 + len(rows) * max(0.34, 0.2 * len(group.others))
    return Panel(
        f"Differences to {plain(group.first.label)} (hollow: the interval holds zero)",
        draw,
        (7.2, height),
        labels=tuple(x.label for x in group.others),
        key=f"{group.title} differences",
    )


def _interval(
    axes: "Axes", above: Estimate, height: float, style: dict[str, Any]
) -> None:
    """A mark with its interval; hollow and pale where it may be chance."""
    color, alpha = style["color"], 1.0 if above.is_clear else 0.6
    ends = [above.low, above.high]
    axes.plot(ends, [height] * 2, color=color, alpha=alpha, lw=2.2)
    fill = color if above.is_clear else "none"
    mark = {**style, "markersize": 8, "mew": 1.6, "mfc": fill, "alpha": alpha}
    axes.plot(above.value, height, **mark)


def _short(label: str) -> str:
    """A label that fits under axes."""
    text = plain(label)
    return text if len(text) <= 40 else f"...{text[-37:]}"


def _style(label: str, labels: Sequence[str]) -> dict[str, Any]:
    color, mark = color_of(label, labels), _MARKS[labels.index(label) % len(_MARKS)]
    return {"color": color, "marker": mark, "markersize": 4.0, "linewidth": 1.6}


def png(panels: Sequence[tuple[str, Panel]], labels: Sequence[str]) -> bytes:
    """Panels on one sheet, with one legend.

    Args:
      panels: at least one, each after what its group is called.
      labels: of all evaluations, in the order of the legend.
    """
    from matplotlib.lines import Line2D

    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    width, height = _SIZE
    legend_rows = math.ceil(len(labels) / 4)
    with _settings():
        figure = _figure((width * columns, height * rows + 0.1 + 0.25 * legend_rows))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for one, (name, panel) in zip(axes, panels, strict=False):
            one.set_title(f"{panel.title}\n{_short(name)}", fontsize=9)
            panel.draw(one)
        for one in axes[len(panels) :]:
            one.set_axis_off()
        shown = [x for x in labels if any(x in panel.labels for _, panel in panels)]
        figure.legend(
            [Line2D([], [], **_style(x, labels)) for x in shown],
            [_short(x) for x in shown],
            loc="outside lower center",
            ncols=min(len(shown), 4),
            frameon=False,
        )
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=150, metadata={"Software": "uhseg_jax"})
    return file.getvalue()


def svg(panel: Panel) -> str:
    """A panel as an SVG element, without a heading, in the ink of what is around it."""
    with _settings(salt=panel.key):
        figure = _figure(panel.size)
        panel.draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(
            file,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Names would be those of other figures of the page as well.
    used = set(re.findall(r"#([\w-]+)", text))
    text = re.sub(r' id="([^"]*)"', lambda x: x[0] if x[1] in used else "", text)
    opening, rest = text.split(">", 1)
    return re.sub(r'\s(width|height|version)="[^"]*"', "", opening) + ">" + rest


def _figure(size: tuple[float, float]) -> "Figure":
    from matplotlib.figure import Figure  # slow to import

    return Figure(figsize=size, layout="constrained")


@contextlib.contextmanager
def _settings(salt: str = "") -> Iterator[None]:
    """Our own settings of matplotlib, whatever those of the process are."""
    import matplotlib

    values: dict[Any, Any] = {
        **dict.fromkeys(_INKED, _INK),
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 9,
        "grid.alpha": 0.25,
        "grid.color": _INK,
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "text.parse_math": False,
    }
    with matplotlib.rc_context(values), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its fonts lack letters of some names
        yield
