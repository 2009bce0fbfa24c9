"""The folder of a comparison: its files, written together."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from uhseg_jax.comparison.groups import Group
from uhseg_jax.comparison.page import page
from uhseg_jax.comparison.plots import Panel, budget_panels, png, recall_panels
from uhseg_jax.comparison.scores import SHOWN
from uhseg_jax.comparison.tables import csv_of, latex, markdown
from uhseg_jax.files import atomic_write

__all__ = ["FILES", "PAGE", "rendered", "require_free", "write"]

PAGE = "index.html"
_MARK = b'<meta name="generator" content="uhseg_jax">'  # in the head of a page
_HEAD = 1024  # bytes of a page in which it is
FILES = (
    *("table.md", "table.tex", "table.csv"),
    *("curves.png", "precision_recall.png", PAGE),
)


def rendered(groups: Sequence[Group], keys: Sequence[str] = SHOWN) -> dict[str, bytes]:
    """What the files hold, under their names; the page last.

    The plots are there if there is something to plot.

    Args:
      groups: what is compared.
      keys: rows of the tables in Markdown and LaTeX, where there are such scores.

    Raises:
      ValueError: a drawing of an evaluation is damaged.
    """
    labels = list(dict.fromkeys(x.label for group in groups for x in group.members))
    texts = {
        "table.md": markdown(groups, keys),
        "table.tex": latex(groups, keys),
        "table.csv": csv_of(groups),
    }
    found = {name: text.encode() for name, text in texts.items()}
    for name, panels_of in (
        ("curves.png", budget_panels),
        ("precision_recall.png", recall_panels),
    ):
        panels: list[tuple[str, Panel]] = [
            (group.title, panel)
            for group in groups
            for panel in panels_of(group, labels)
        ]
        if panels:
            found[name] = png(panels, labels)
    return found | {PAGE: page(groups).encode()}


def require_free(output: Path, *, overwrite: bool) -> None:
    """Stops before any work where the files cannot be written.

    Raises:
      FileExistsError: something of these names is there; with ``overwrite`` only if it
        is no file, or a page that no comparison wrote.
    """
    if output.exists() and not output.is_dir():
        raise FileExistsError(
            f"{output}: expected a folder for the comparison, but this is a file; give "
            "another --output folder."
        )
    for path in (output / name for name in FILES):
        if path.is_dir():
            raise FileExistsError(
                f"{path}: expected a file or nothing, but this is a folder; give "
                "another --output folder."
            )
        if not os.path.lexists(path):
            continue
        if path.name == PAGE and not _is_page(path):
            raise FileExistsError(
                f"{path}: the file is there, but no comparison wrote it; rename it, or "
                "give another --output folder."
            )
        if not overwrite:
            is_half = not os.path.lexists(output / PAGE)
            half = f" without {PAGE}, as a comparison that was stopped leaves it"
            raise FileExistsError(
                f"{path}: the file is there{half * is_half}; give another --output "
                "folder, or replace it with --overwrite."
            )


def _is_page(path: Path) -> bool:
    """Whether a file carries the mark of a comparison's page, or is empty."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return not head or _MARK in head


def write(output: Path, content: Mapping[str, bytes]) -> None:
    """Writes all files, so that a folder with the page is never half of a comparison.

    A new folder is written aside and then gets its name. In one that is there the page
    goes first and comes last.

    Args:
      output: the folder.
      content: of the files under their names, as `rendered` gives it.

    Raises:
      OSError: they cannot be written.
    """
    if not output.exists():
        with _aside(output) as folder:
            _write_all(folder, content)
            if not output.exists():  # a rename would replace an empty one
                os.rename(folder, output)
                return
    (output / PAGE).unlink(missing_ok=True)
    for name in FILES:
        if name not in content:  # of the comparison that is replaced
            (output / name).unlink(missing_ok=True)
    _write_all(output, content)


def _write_all(folder: Path, content: Mapping[str, bytes]) -> None:
    for name, data in sorted(content.items(), key=lambda x: x[0] == PAGE):
        with atomic_write(folder / name) as aside:
            aside.write_bytes(data)


@contextlib.contextmanager
def _aside(output: Path) -> Iterator[Path]:
    """A new folder beside another, which goes unless it was renamed."""
    folder = output.with_name(f".uhseg-{uuid.uuid4().hex[:8]}.part")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
