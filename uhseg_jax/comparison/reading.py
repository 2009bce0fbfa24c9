"""What an evaluation left in its folder, read for a comparison."""

import csv
import dataclasses
import itertools
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.comparison.statistics import Estimate, estimate
from uhseg_jax.files import parse_json
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.runs import bootstrap, score_files
from uhseg_jax.runs.bootstrap import Resampled
from uhseg_jax.runs.record import RunError, read_record
from uhseg_jax.runs.settings import Settings
from uhseg_jax.types import Float

__all__ = ["Evaluated", "read_evaluation"]

# Scores of so many regions, or proposals.
_AT = (re.compile(r"(.+)_at_(\d+)"), re.compile(r"(.+/ar)_(\d+)"))
_FILES = (
    *(score_files.METRICS, score_files.TABLE),
    *(score_files.BOOTSTRAP, score_files.CURVES),
)


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """An evaluation of a dataset.

    Attributes:
      folder: where its results lie.
      settings: that it was made with.
      scores: what ``metrics.json`` holds; NaN for null.
      resampled: the same of resampled images.
      images: names of all images, in the order of the dataset.
      rows: scores of every image, float64 ``[n]`` under their names; NaN for none.
      ranked_by: the one of these by which images are better or worse.
      curves: precision against recall, under their names.
      sheets: the drawings there are, by the place of their image in the order.
      label: what it is called in tables and plots.
    """

    folder: Path
    settings: Settings
    scores: Mapping[str, float]
    resampled: Resampled
    images: tuple[str, ...]
    rows: Mapping[str, Float[np.ndarray, " n"]]
    ranked_by: str
    curves: Mapping[str, Curve]
    sheets: Mapping[int, Path]
    label: str = ""

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return str(self.settings.get("dataset"))

    def budgets(self) -> dict[str, dict[int, str]]:
        """Keys of the scores ``NAME_at_K`` and ``ar_K``, by NAME and K."""
        found: dict[str, dict[int, str]] = {}
        for key, pattern in itertools.product(self.scores, _AT):
            if match := pattern.fullmatch(key):
                found.setdefault(match[1], {})[int(match[2])] = key
        return found

    def score(self, key: str) -> Estimate:
        """A score; NaN if there is no such score."""
        return estimate(self._value(key), self._resampled(key))

    def above(self, other: "Evaluated", key: str) -> Estimate:
        """By how much a score is above that of another evaluation of these images."""
        return estimate(
            self._value(key) - other._value(key),
            self._resampled(key) - other._resampled(key),
        )

    def ranking(self) -> Float[np.ndarray, " n"]:
        """The scores by which images are better or worse."""
        return self.rows.get(self.ranked_by, np.full(len(self.images), np.nan))

    def _value(self, key: str) -> float:
        return self.scores.get(key, math.nan)

    def _resampled(self, key: str) -> Float[np.ndarray, " r"]:
        # One image is drawn again and again, which says nothing.
        known = self.resampled.scores if self.scores.get("images", 2) > 1 else {}
        return known.get(key, np.full(bootstrap.NUM_RESAMPLES, np.nan))


def read_evaluation(folder: Path) -> Evaluated:
    """Reads the results of `runs.evaluate` in a folder (of one seed).

    Raises:
      RunError: there are none, or they lack images.
    """
    record = read_record(folder, strict=False) or read_record(
        folder.parent, strict=False
    )
    paths = [folder / name for name in _FILES]
    if record is None or not all(path.is_file() for path in paths):
        missing = [path.name for path in paths if not path.is_file()]
        raise RunError(
            f"{folder}: expected the results of uhseg-evaluate, but there is no "
            f"{' and no '.join(missing or ['run.json'])}; the command that made them "
            "adds what is missing. Of several seeds, name the folder of one."
        )
    scores, (images, rows), resampled, (ranked_by, curves) = (
        _read(path, read)
        for path, read in zip(
            paths, (_scores, _table, bootstrap.read, _curves), strict=True
        )
    )
    expected = record.settings.get("examples", len(images))
    for path, count in ((paths[1], len(images)), (paths[2], resampled.images)):
        if count != expected:
            raise RunError(
                f"{path}: expected the scores of {expected} images, but found those of "
                f"{count}; give all processes of an evaluation one --output folder, or "
                "run its command again."
            )
    return Evaluated(
        folder=folder,
        settings=record.settings,
        scores=scores,
        resampled=resampled,
        images=images,
        rows=rows,
        ranked_by=ranked_by,
        curves=curves,
        sheets=dict(score_files.sheets_in(folder)),
    )


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise RunError(
            f"{path}: expected what uhseg-evaluate writes, but the file is another "
            f"({error!r}); the command that made it writes it again."
        ) from error


def _scores(path: Path) -> dict[str, float]:
    return {key: _number(x) for key, x in _json(path).items()}


def _number(value: Any) -> float:
    return math.nan if value is None or value == "" else float(value)


def _table(path: Path) -> tuple[tuple[str, ...], dict[str, Float[np.ndarray, " n"]]]:
    """Names of images, and their scores under the names of these."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        found = list(reader)
    keys = [x for x in reader.fieldnames or () if x != "name"]
    rows = {key: np.array([_number(row[key]) for row in found], float) for key in keys}
    return tuple(row["name"] for row in found), rows


def _curves(path: Path) -> tuple[str, dict[str, Curve]]:
    """By what images are ranked, and the curves."""
    found = _json(path)
    curves = {
        str(name): Curve(
            tuple(map(_number, x["x"])),
            tuple(map(_number, x["y"])),
            str(x["x_name"]),
            str(x["y_name"]),
        )
        for name, x in found["curves"].items()
    }
    return str(found["ranked_by"]), curves


def _json(path: Path) -> dict[str, Any]:
    found = parse_json(path.read_bytes())
    if not isinstance(found, dict):
        raise TypeError(f"expected an object, but found {json.dumps(found)[:80]}")
    return found
