"""Scores of evaluations side by side, as Markdown, LaTeX and CSV.

A cell is a score with its standard error and, after the first evaluation, by how much
it is above the first with the 95 % interval of that. The CSV has every score there is,
one a line, the tables those that were asked for.
"""

import csv
import dataclasses
import io
import math
import re
from collections.abc import Iterator, Sequence

from uhseg_jax.comparison.groups import Group
from uhseg_jax.comparison.reading import Evaluated
from uhseg_jax.comparison.scores import SHOWN, present, title_of
from uhseg_jax.comparison.statistics import Estimate

__all__ = ["Cell", "Row", "csv_of", "latex", "markdown", "plain", "rows_of"]

_COLUMNS = (
    *("dataset", "images", "run", "score", "value", "standard_error", "low", "high"),
    *("reference", "difference", "difference_standard_error"),
    *("difference_low", "difference_high"),
)
_TO_ESCAPE = re.compile(r"[\\`*_{}\[\]<>|~#&$]")
_LATEX = {
    **{x: rf"\{x}" for x in "#$%&_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "-": "{-}",  # two of them would become a dash
}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A score of one evaluation.

    Attributes:
      score: the score; None if the evaluation has none of this name.
      above: the difference to the first evaluation; None of the first, and where one of
        both lacks the score.
    """

    score: Estimate | None
    above: Estimate | None


@dataclasses.dataclass(frozen=True)
class Row:
    """A score of all evaluations of a group.

    Attributes:
      key: of the score.
      cells: one for each evaluation.
    """

    key: str
    cells: tuple[Cell, ...]


def rows_of(group: Group, keys: Sequence[str] = SHOWN) -> list[Row]:
    """The scores of a group that there are, in the order of the keys."""
    chosen = present(keys, [one.scores for one in group.members])
    return [
        Row(key, tuple(_cell(one, group.first, key) for one in group.members))
        for key in chosen
    ]


def _cell(one: Evaluated, first: Evaluated, key: str) -> Cell:
    if key not in one.scores:
        return Cell(None, None)
    comparable = one is not first and key in first.scores
    return Cell(one.score(key), one.above(first, key) if comparable else None)


def plain(text: str) -> str:
    r"""A text in one line that every encoding of Unicode has.

    Control characters and bytes that are no text, as names of files may hold them, are
    shown as ``\x1b`` and ``\udcff``.
    """
    text = _CONTROLS.sub(lambda x: x[0].encode("unicode_escape").decode(), text)
    return text.encode("utf-8", "backslashreplace").decode()


def markdown(groups: Sequence[Group], keys: Sequence[str] = SHOWN) -> str:
    """A table for each group."""
    return "\n".join(line for x in groups for line in _markdown(x, keys))


def _markdown(group: Group, keys: Sequence[str]) -> Iterator[str]:
    heads = [group.title, *(x.label for x in group.members)]
    yield _joined(_TO_ESCAPE.sub(r"\\\g<0>", plain(x)) for x in heads)
    yield _joined("---" for _ in heads)
    yield _joined(["nodes", *_nodes(group)])
    for row in rows_of(group, keys):
        yield _joined([f"`{row.key}`", *(_text(cell) for cell in row.cells)])
    yield ""


def _joined(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _nodes(group: Group) -> list[str]:
    return [f"{x.scores.get('mean_nodes', math.nan):.1f}" for x in group.members]


def _text(cell: Cell) -> str:
    if cell.score is None:
        return "-"
    text = f"{cell.score.value:.3f} ± {cell.score.error:.3f}"
    if (above := cell.above) is None:
        return text
    return f"{text} ({above.value:+.3f}, {above.low:+.3f} to {above.high:+.3f})"


def latex(groups: Sequence[Group], keys: Sequence[str] = SHOWN) -> str:
    r"""A ``tabular`` for each group, which needs no package.

    Differences whose interval has zero outside are marked with a star.
    """
    return "\n".join(line for x in groups for line in _latex(x, keys))


def _latex(group: Group, keys: Sequence[str]) -> Iterator[str]:
    yield f"% {plain(group.title)}"
    yield (
        "% Scores with standard errors; in brackets the difference to the first column "
        "with its 95 % interval, a star where zero lies outside."
    )
    yield rf"\begin{{tabular}}{{l{'r' * len(group.members)}}}"
    yield r"\hline"
    heads = [group.title, *(x.label for x in group.members)]
    yield _line(_escaped(x) for x in heads)
    yield r"\hline"
    yield _line(["nodes", *(f"${x}$" for x in _nodes(group))])
    for row in rows_of(group, keys):
        cells = [_latex_cell(cell) for cell in row.cells]
        yield _line([_escaped(title_of(row.key)), *cells])
    yield r"\hline"
    yield r"\end{tabular}"
    yield ""


def _line(cells: Iterator[str] | Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(x, x) for x in plain(text))


def _latex_cell(cell: Cell) -> str:
    if cell.score is None:
        return "--"
    text = rf"${cell.score.value:.3f} \pm {_known(cell.score.error)}$"
    if (above := cell.above) is None:
        return text
    star = "^{*}" if above.is_clear else ""
    ends = f"{_known(above.low, '+')}, {_known(above.high, '+')}"
    return rf"{text} (${_known(above.value, '+')}{star}$; ${ends}$)"


def _known(value: float, sign: str = "") -> str:
    return r"\mathrm{nan}" if math.isnan(value) else f"{value:{sign}.3f}"


def csv_of(groups: Sequence[Group]) -> str:
    """Every score of every evaluation, one a line; empty where there is none."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    for group in groups:
        keys = list(dict.fromkeys(key for x in group.members for key in x.scores))
        for row in rows_of(group, keys):
            for one, cell in zip(group.members, row.cells, strict=True):
                if cell.score is not None:
                    writer.writerow(_record(group, one, row.key, cell))
    return file.getvalue()


def _record(group: Group, one: Evaluated, key: str, cell: Cell) -> list[str]:
    score = _numbers(cell.score)
    reference = "" if cell.above is None else plain(group.first.label)
    above = _numbers(cell.above)
    images = str(group.num_images)
    names = [plain(group.first.dataset), images, plain(one.label), key]
    return [*names, *score, reference, *above]


def _numbers(found: Estimate | None) -> list[str]:
    if found is None:
        return [""] * 4
    values = (found.value, found.error, found.low, found.high)
    return ["" if math.isnan(x) else repr(float(x)) for x in values]
