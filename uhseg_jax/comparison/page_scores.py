"""The scores on the page of a comparison: verdicts, tables, differences."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uhseg_jax.comparison.groups import Group
from uhseg_jax.comparison.page_parts import (
    escaped,
    interval,
    number,
    plot,
    run_chip,
    signed,
    table,
)
from uhseg_jax.comparison.plots import difference_panel
from uhseg_jax.comparison.reading import Evaluated
from uhseg_jax.comparison.scores import is_less_better, is_size, title_of
from uhseg_jax.comparison.statistics import Estimate
from uhseg_jax.comparison.tables import Cell, Row, rows_of
from uhseg_jax.comparison.verdicts import Finding, Verdict, verdict_on

__all__ = ["all_scores", "main_scores", "settings_table", "verdicts"]

_LONGEST = 120  # characters of a setting


def verdicts(group: Group, rows: list[Row], labels: Sequence[str]) -> str:
    """What the others are beside the first, a card for each."""
    cards = (
        _card(verdict_on(group, i, rows), group, labels)
        for i in range(len(group.others))
    )
    return f'<div class="verdicts">{"".join(cards)}</div>'


def _card(verdict: Verdict, group: Group, labels: Sequence[str]) -> str:
    lead = ""
    if (first := verdict.lead) is not None:
        lead = (
            f'<p class="number {_class(first)}">{signed(first.above.value)}</p>'
            f"<p>{escaped(title_of(first.key))}, 95 % interval "
            f"{interval(first.above)}</p>"
        )
    return (
        f'<div class="verdict"><p>{run_chip(verdict.one.label, labels)} is '
        f"{verdict.words} {run_chip(group.first.label, labels)}</p>{lead}"
        f"<ul>{''.join(_lines(verdict, group.first))}</ul></div>"
    )


def _lines(verdict: Verdict, first: Evaluated) -> Iterator[str]:
    kinds = {
        "Better, more than chance": [x for x in verdict.findings if x.is_better],
        "Worse, more than chance": [x for x in verdict.findings if x.is_worse],
        "May be chance": [x for x in verdict.findings if not x.above.is_clear],
    }
    for words, findings in kinds.items():
        if findings:
            named = ", ".join(
                f"{escaped(title_of(x.key))} ({signed(x.above.value)})"
                for x in findings
            )
            kind = _class(findings[0])
            yield f'<li><span class="{kind}">{words}</span>: {named}</li>'
    wins = verdict.wins
    if total := wins.better + wins.worse + wins.equal:
        ranked_by = escaped(title_of(first.ranked_by))
        yield (
            f"<li>Of {total} images better on {wins.better}, worse on {wins.worse}, "
            f"equal on {wins.equal} ({ranked_by})</li>"
        )


def _class(finding: Finding) -> str:
    if finding.is_better:
        return "better"
    return "worse" if finding.is_worse else "chance"


def main_scores(group: Group, rows: list[Row], labels: Sequence[str]) -> str:
    """The main scores as a table and, of several evaluations, the differences drawn."""
    caption = "Scores with their standard errors; the best of each line is bold."
    if group.others:
        caption += (
            f" Below them the difference to {escaped(group.first.label)} with its "
            "95 % interval: ▲ better, ▼ worse, ○ may be chance."
        )
    nodes = [f"{x.scores.get('mean_nodes', math.nan):.1f}" for x in group.members]
    lines = [[escaped(title_of(x.key)), *_cells(x)] for x in rows]
    if any("mean_nodes" in x.scores for x in group.members):
        lines.append(["regions in a tree, on average", *nodes])
    heads = ["Score", *(run_chip(x.label, labels) for x in group.members)]
    shown = table(caption, heads, lines)
    if group.others:
        shown += plot(difference_panel(group, rows, labels), "forest")
    return f'<div class="beside">{shown}</div>'


def _cells(row: Row) -> list[str]:
    values = [math.nan if x.score is None else x.score.value for x in row.cells]
    known = [x for x in values if not math.isnan(x)]
    best = (min if is_less_better(row.key) else max)(known, default=math.nan)
    several = len(known) > 1 and not is_size(row.key)
    return [
        _cell(row.key, x, is_best=several and y == best)
        for x, y in zip(row.cells, values, strict=True)
    ]


def _cell(key: str, cell: Cell, *, is_best: bool) -> str:
    if cell.score is None:
        return '<span class="quiet">none</span>'
    value = number(cell.score.value)
    value = f"<strong>{value}</strong>" if is_best else value
    error = "" if math.isnan(cell.score.error) else f" ± {cell.score.error:.3f}"
    above = "" if cell.above is None else _above(key, cell.above)
    return f"{value}{error}{above}"


def _above(key: str, above: Estimate) -> str:
    finding = Finding(key, above)
    mark = {"better": "▲", "worse": "▼", "chance": "○"}[_class(finding)]
    if is_size(key):
        return f"<small>{signed(above.value)}, {interval(above)}</small>"
    return (
        f'<small class="{_class(finding)}">{mark} {signed(above.value)}, '
        f"{interval(above)}</small>"
    )


def all_scores(group: Group, labels: Sequence[str]) -> str:
    """Every score that there is, folded away."""
    keys = dict.fromkeys(key for x in group.members for key in x.scores)
    lines = [
        [f"<code>{escaped(x.key)}</code>", *_cells(x)]
        for x in rows_of(group, list(keys))
    ]
    heads = ["Key", *(run_chip(x.label, labels) for x in group.members)]
    words = f"All {len(lines)} scores"
    return (
        f"<details><summary>{words}</summary>"
        f"{table('As in metrics.json, with standard errors.', heads, lines)}</details>"
    )


def settings_table(group: Group, labels: Sequence[str]) -> str:
    """The settings in which the evaluations differ, and the main ones, folded away."""
    flat = [_flat(x.settings) for x in group.members]
    names = dict.fromkeys(name for x in flat for name in x)
    differing = [
        name for name in names if len({str(x.get(name, "")) for x in flat}) > 1
    ]
    main = [x for x in ("method", "model", "dtype") if x not in differing]
    lines = [
        [escaped(name), *(escaped(_shortened(x.get(name, ""))) for x in flat)]
        for name in [*main, *differing]
    ]
    lines.append(["folder", *(escaped(str(x.folder)) for x in group.members)])
    heads = ["Setting", *(run_chip(x.label, labels) for x in group.members)]
    words = "What was compared" if group.others else "What was evaluated"
    return (
        f"<details><summary>{words}</summary>"
        f"{table('Settings that differ, and the main ones.', heads, lines)}</details>"
    )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings under dotted names."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif name not in ("weights_sha256", "taxonomy", "fingerprint"):
            flat[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
