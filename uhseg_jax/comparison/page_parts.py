"""Pieces of HTML that the page of a comparison is made of."""

import html
import math
from collections.abc import Iterable, Sequence

from uhseg_jax.comparison.plots import Panel, color_of, svg
from uhseg_jax.comparison.statistics import Estimate
from uhseg_jax.comparison.tables import plain

__all__ = ["escaped", "interval", "number", "plot", "run_chip", "signed", "table"]

_MINUS = "\N{MINUS SIGN}"


def escaped(text: str) -> str:
    """Any text as HTML that shows it."""
    return html.escape(plain(text))


def number(value: float) -> str:
    """A score."""
    return "none" if math.isnan(value) else f"{value:.3f}"


def signed(value: float) -> str:
    """A difference, with a true minus."""
    if math.isnan(value):
        return "none"
    return f"{value:+.3f}".replace("-", _MINUS) if value else "0.000"


def interval(found: Estimate) -> str:
    """The interval of a difference."""
    if math.isnan(found.low):
        return "interval not known"
    return f"{signed(found.low)} to {signed(found.high)}"


def run_chip(label: str, labels: Sequence[str], tag: str = "span") -> str:
    """The label of an evaluation beside a patch of its colour."""
    style = f'style="--run:{color_of(label, labels)}"'
    return f'<{tag} class="run" {style}>{escaped(label)}</{tag}>'


def plot(panel: Panel, kind: str = "") -> str:
    """A panel with what it shows in words."""
    named = f'<svg role="img" aria-label="{escaped(panel.title)}" '
    drawn = svg(panel).replace("<svg ", named, 1)
    caption = f"<figcaption>{escaped(panel.title)}</figcaption>"
    return f'<figure class="{kind}">{caption}{drawn}</figure>'


def table(caption: str, heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first row and column are headings; all cells are HTML."""
    head = "".join(f'<th scope="col">{x}</th>' for x in heads)
    body = "\n".join(map(_row, rows))
    return (
        f'<div class="wide"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    body = "".join(f"<td>{x}</td>" for x in others)
    return f'<tr><th scope="row">{first}</th>{body}</tr>'
