"""Evaluations side by side: standard errors, paired differences, curves.

A score is a function of sums over images: a mean, a ratio of sums, the best scale of a
set. Its standard error is the jackknife's (Efron and Stein, Annals of Statistics 1981).
With s_i the score of all n images but the i-th, which `leave_one_out.csv` holds,

    SE^2 = (n - 1) / n sum_i (s_i - mean(s))^2,

for means over images the usual standard error of the mean. A difference of two scores
on the same images has differences of s_i in their place, so images are paired.
"""

import csv
import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax.runs import score_files
from uhseg_jax.runs.record import RunError, read_record
from uhseg_jax.types import Float

__all__ = ["Evaluated", "Group", "group", "read_evaluation", "standard_error", "table"]

_CURVE = re.compile(r"(.+)_at_(\d+)")
# Settings by which evaluations have the same images and scores.
_SHARED = ("dataset", "fingerprint", "taxonomy", "scoring")
_BUDGETS = (2, 4, 8, 16, 32, 64)
# What the table shows of the scores that there are.
SHOWN = (
    *(f"full/nmcovering_at_{k}" for k in _BUDGETS),
    *("full/nmcovering", "full/miou", "full/tree_nmcovering", "full/nhcovering"),
    *("full/nfcovering", "full/hungarian_miou", "full/hungarian_pacc"),
    *("full/covering_ods", "full/covering_ods_by_cost", "full/covering_ois"),
    *("full/covering_best", "full/boundary_ods", "full/boundary_ods_by_cost"),
    "full/boundary_ois",
)


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """What an evaluation left in a folder.

    Attributes:
      label: what it is called in tables and plots.
      dataset: name of the dataset.
      shared: text that is the same for evaluations that can be compared.
      scores: what ``metrics.json`` holds; NaN for null.
      images: names of the images that count.
      left_out: for every score ``[n]``, that of all of these images but one.
    """

    label: str
    dataset: str
    shared: str
    scores: Mapping[str, float]
    images: tuple[str, ...]
    left_out: Mapping[str, Float[np.ndarray, " n"]]

    def curves(self) -> dict[str, dict[int, str]]:
        """Keys of the scores ``NAME_at_K``, by NAME and K."""
        found: dict[str, dict[int, str]] = {}
        for key in self.scores:
            if match := _CURVE.fullmatch(key):
                found.setdefault(match[1], {})[int(match[2])] = key
        return found

    def error(self, key: str) -> float:
        """Standard error of a score; NaN if there is no such score."""
        return standard_error(self._values(key))

    def difference(self, other: "Evaluated", key: str) -> tuple[float, float]:
        """By how much a score is above another's, and the standard error of that."""
        above = self.scores.get(key, math.nan) - other.scores.get(key, math.nan)
        return above, standard_error(self._values(key) - other._values(key))

    def _values(self, key: str) -> Float[np.ndarray, " n"]:
        nothing = np.full(len(self.images), np.nan)
        return self.left_out.get(key, nothing)


@dataclasses.dataclass(frozen=True)
class Group:
    """Evaluations of the same images by the same protocol.

    Attributes:
      members: the evaluations; differences are to the first.
    """

    members: tuple[Evaluated, ...]

    @property
    def title(self) -> str:
        """The dataset and how many of its images count."""
        first = self.members[0]
        return f"{first.dataset}, {len(first.images)} images"


def standard_error(left_out: Float[np.ndarray, " n"]) -> float:
    """The jackknife's, from scores of all images but one; NaN for less than two."""
    n = left_out.size
    if n < 2:
        return math.nan
    return float(np.sqrt((n - 1) * np.var(left_out)))


def read_evaluation(folder: Path, *, label: str) -> Evaluated:
    """Reads the results of `runs.evaluate` in a folder (of one seed).

    Raises:
      RunError: there are none, or they lack images.
    """
    record = read_record(folder, strict=False) or read_record(
        folder.parent, strict=False
    )
    paths = [folder / x for x in (score_files.METRICS, score_files.LEFT_OUT)]
    if record is None or not all(path.is_file() for path in paths):
        raise RunError(
            f"{folder}: expected the results of uhseg-evaluate, with "
            f"{score_files.METRICS} and {score_files.LEFT_OUT}; the command that made "
            "them adds what is missing. Of several seeds, name the folder of one."
        )
    try:
        scores, rows = _read(*paths)
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{folder}: expected {score_files.METRICS} and {score_files.LEFT_OUT} as "
            f"uhseg-evaluate writes them, but one is another file ({error!r}); the "
            "command that made them writes them again."
        ) from error
    # Without an image that does not count there are as many as with it.
    rows = [(name, row) for name, row in rows if row["images"] < scores["images"]]
    if len(rows) != scores["images"]:
        raise RunError(
            f"{paths[1]}: expected a row for each of the {scores['images']:.0f} images "
            f"that count, but found {len(rows)}; give all processes of an evaluation "
            "one --output folder."
        )
    shared = {name: record.settings.get(name) for name in _SHARED}
    return Evaluated(
        label=label,
        dataset=str(record.settings.get("dataset")),
        shared=json.dumps(shared, sort_keys=True),
        scores=scores,
        images=tuple(name for name, _ in rows),
        left_out={key: np.array([row[key] for _, row in rows]) for key in scores},
    )


def _read(
    metrics: Path, left_out: Path
) -> tuple[dict[str, float], list[tuple[str, dict[str, float]]]]:
    """The scores, and for every image its name and those without it."""
    read = json.loads(metrics.read_text(encoding="utf-8"))
    scores = {key: math.nan if x is None else float(x) for key, x in read.items()}
    with open(left_out, newline="", encoding="utf-8") as file:
        rows = [
            (row["name"], {key: float(row[key]) for key in scores})
            for row in csv.DictReader(file)
        ]
    return scores, rows


def group(evaluations: Sequence[Evaluated]) -> list[Group]:
    """The evaluations that can be compared with each other, in the order given."""
    groups: dict[tuple[str, tuple[str, ...]], list[Evaluated]] = {}
    for one in evaluations:
        groups.setdefault((one.shared, one.images), []).append(one)
    return [Group(tuple(members)) for members in groups.values()]


def table(groups: Sequence[Group], keys: Sequence[str] = SHOWN) -> str:
    """Markdown: for each group a row for every score, a column for every evaluation.

    A cell is "score ± standard error" and, after the first column, "(difference to the
    first ± its standard error)".
    """
    return "\n".join(line for x in groups for line in _rows(x, keys))


def _rows(group: Group, keys: Sequence[str]) -> list[str]:
    labels = [x.label.replace("|", r"\|") for x in group.members]
    nodes = [f"{x.scores.get('mean_nodes', math.nan):.1f}" for x in group.members]
    lines = [
        _line([group.title, *labels]),
        _line(["---"] * (1 + len(labels))),
        _line(["nodes", *nodes]),
    ]
    for key in keys:
        if any(key in x.scores for x in group.members):
            cells = [_cell(x, group.members[0], key) for x in group.members]
            lines.append(_line([f"`{key}`", *cells]))
    return [*lines, ""]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(one: Evaluated, first: Evaluated, key: str) -> str:
    if key not in one.scores:
        return "-"
    cell = f"{one.scores[key]:.3f} ± {one.error(key):.3f}"
    if one is first or key not in first.scores:
        return cell
    above, error = one.difference(first, key)
    return f"{cell} ({above:+.3f} ± {error:.3f})"
