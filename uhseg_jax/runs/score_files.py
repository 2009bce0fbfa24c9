"""The files of an evaluation: which there are, and whose those are that are there."""

import csv
import dataclasses
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from uhseg_jax.methods.fitted import kept_files
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.protocols.gallery import drawing_names, is_drawing
from uhseg_jax.protocols.sheets import is_sheet, sheet_name
from uhseg_jax.runs import bootstrap
from uhseg_jax.runs.claims import Claim
from uhseg_jax.runs.journal import is_journal, journals_in
from uhseg_jax.runs.record import naming_the_file, owns, read_record

__all__ = [
    "BOOTSTRAP",
    "CURVES",
    "GALLERY",
    "METRICS",
    "SHEETS",
    "TABLE",
    "files_of",
    "is_own",
    "journal_of",
    "journals_of",
    "read_by",
    "replaced_by",
    "results_in",
    "sheets_in",
    "write_curves",
    "write_resampled",
    "write_scores",
    "write_table",
]

METRICS, TABLE = "metrics.json", "per_image.csv"
BOOTSTRAP = "bootstrap.npz"  # scores of resampled images, for standard errors
CURVES = "curves.json"  # precision against recall, and by what images are ranked
GALLERY, SHEETS = "images", "sheets"  # folders: the worst and best; many, small
_TABLES = (METRICS, TABLE, BOOTSTRAP, CURVES)
_OLD_TABLES = ("leave_one_out.csv",)  # of earlier versions
_SEED, _SHEET = re.compile(r"seed-\d+"), re.compile(r"\d{6,}\.jpg")


def journal_of(process: int) -> str:
    """What the journal of a process is called."""
    return f"images-{process}.jsonl"


def journals_of(folders: Sequence[Path], *, processes: int) -> Iterator[Path]:
    """The journals of an evaluation, in the folders of its seeds."""
    for folder in folders:
        yield from (folder / journal_of(process) for process in range(processes))


def files_of(
    output: Path, folders: Sequence[Path], *, processes: int, sheets: Sequence[int]
) -> Iterator[Path]:
    """The files that an evaluation writes.

    Args:
      output: the folder for results.
      folders: that of each seed.
      processes: how many processes share the images.
      sheets: the examples that are drawn.
    """
    yield output / METRICS
    yield from journals_of(folders, processes=processes)
    for folder in folders:
        yield from (folder / name for name in _TABLES)
        yield from (folder / SHEETS / sheet_name(index) for index in sheets)
        yield from (folder / GALLERY / f"{name}.png" for name in drawing_names())


def is_own(path: Path) -> bool:
    """Whether a file carries the mark of an evaluation; its tables have none."""
    kinds = {".png": is_drawing, ".jpg": is_sheet}
    return kinds.get(path.suffix, is_journal)(path)


def results_in(output: Path) -> Iterator[Path]:
    """Files by which evaluations of any settings are known to have worked in a folder.

    Some may be copies that somebody made: none of this is to be deleted.
    """
    seeds = (x for x in output.glob("seed-*") if _SEED.fullmatch(x.name))
    for folder in (output, *seeds):
        yield from _marked_in(folder)
    yield from _tables_in(output)
    yield from kept_files(output)


def read_by(output: Path, folders: Sequence[Path]) -> Iterator[Path]:
    """The files in a folder that an evaluation goes on from.

    Args:
      output: the folder for results.
      folders: that of each seed.
    """
    for folder in folders:
        yield from journals_in(folder)
    yield from kept_files(output)


def replaced_by(output: Path, folders: Sequence[Path]) -> Iterator[Path]:
    """The files of earlier evaluations that a new one takes the place of.

    They have names that evaluations give, and are marked or recorded as written under
    those very names; where nothing is recorded, only the folders of the new one count.

    Args:
      output: the folder for results.
      folders: that of each seed.
    """
    tables = [*_tables_in(output)]
    for folder in dict.fromkeys([output, *folders, *(x.parent for x in tables)]):
        yield from _marked_in(folder)
    yield from tables
    yield from kept_files(output)


def _marked_in(folder: Path) -> Iterator[Path]:
    yield from journals_in(folder)
    drawings = (folder / GALLERY / f"{name}.png" for name in drawing_names())
    yield from filter(is_drawing, drawings)
    yield from (path for _, path in sheets_in(folder))


def _tables_in(output: Path) -> Iterator[Path]:
    """Tables that evaluations wrote, of all or of one seed."""
    record = read_record(output, strict=False)
    for name in record.files if record else ():
        if Path(name).name in (*_TABLES, *_OLD_TABLES) and owns(output, name):
            yield output / name


def sheets_in(folder: Path) -> Iterator[tuple[int, Path]]:
    """The sheets in the folder of an evaluation, each after the place of its image."""
    for path in sorted((folder / SHEETS).glob("*.jpg")):
        if _SHEET.fullmatch(path.name) and is_sheet(path):
            yield int(path.stem), path


@naming_the_file()
def write_scores(claim: Claim, path: Path, scores: Mapping[str, float]) -> None:
    """Writes scores; JSON has no NaN, so a score of nothing is null."""
    values = {k: None if math.isnan(v) else v for k, v in scores.items()}
    with claim.write(path.relative_to(claim.output).as_posix()) as aside:
        aside.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


@naming_the_file()
def write_resampled(claim: Claim, path: Path, found: bootstrap.Resampled) -> None:
    """Writes the scores of resampled images."""
    with claim.write(path.relative_to(claim.output).as_posix()) as aside:
        bootstrap.write(aside, found)


@naming_the_file()
def write_curves(
    claim: Claim, path: Path, curves: Mapping[str, Curve], *, ranked_by: str
) -> None:
    """Writes curves, and by which column of the table images are ranked."""
    value = {
        "ranked_by": ranked_by,
        "curves": {
            name: {
                **dataclasses.asdict(curve),
                **{axis: _numbers(getattr(curve, axis)) for axis in ("x", "y")},
            }
            for name, curve in curves.items()
        },
    }
    with claim.write(path.relative_to(claim.output).as_posix()) as aside:
        aside.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _numbers(values: Iterable[float]) -> list[float | None]:
    """Numbers for JSON, which has no NaN."""
    return [None if math.isnan(x) else float(x) for x in values]


@naming_the_file()
def write_table(
    claim: Claim, path: Path, rows: Sequence[tuple[str, Mapping[str, float]]]
) -> None:
    """Writes the names of images and their scores, one image a row."""
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    with (
        claim.write(path.relative_to(claim.output).as_posix()) as aside,
        # Names of files may hold bytes that are no text.
        open(
            aside, "w", newline="", encoding="utf-8", errors="backslashreplace"
        ) as file,
    ):
        writer = csv.DictWriter(file, ["name", *names])
        writer.writeheader()
        for name, row in rows:
            writer.writerow({"name": name, **row})
