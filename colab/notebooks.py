"""What the notebooks of this folder look like in their files.

Their badge and their first cell are written here. Of their outputs the files keep those
of cells tagged `stored`, which show no photograph.
"""

import ast
import base64
import hashlib
import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "FOLDER",
    "PARAMETERS",
    "SMALL",
    "Cell",
    "Notebook",
    "NotebookError",
    "kept",
    "not_current",
    "read",
    "tags",
    "with_written_cells",
    "write",
]

FOLDER = Path(__file__).resolve().parent
BRANCH = "main"
BADGE, INSTALL = "badge", "install"  # ids of cells that are written here
STORED, PARAMETERS = "stored", "parameters"  # tags
KEPT = ("tags", "cellView")  # metadata of a cell
SMALL, DIGEST = "uhseg_small", "uhseg_stored"  # metadata of a notebook
PASSING = "Compiling "  # begins lines of the extension, which not every run prints
MOST_BYTES = 100_000  # of a stored image
LEAST_FLAT = 0.6  # share of its pixels that are as their neighbours; photographs: 0.1
MOST_LINES = 25  # of a cell: a screen

Notebook = dict[str, Any]
Cell = dict[str, Any]


class NotebookError(Exception):
    """A notebook cannot be executed or kept; the message says why."""


# -- what is written -------------------------------------------------------------------


def repository() -> str:
    """The address of the repository, of which pyproject.toml is the one source."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text("utf-8"))
    return project["project"]["urls"]["Repository"]


def badge(name: str) -> str:
    """The badge that opens a notebook of this repository in Colab."""
    place = repository().removeprefix("https://github.com/")
    colab = "https://colab.research.google.com"
    return (
        f"[![Open in Colab]({colab}/assets/colab-badge.svg)]"
        f"({colab}/github/{place}/blob/{BRANCH}/colab/{name}.ipynb)"
    )


def first_cell() -> str:
    """The cell that installs the package where it is missing."""
    text = (FOLDER / "first_cell.txt").read_text("utf-8").rstrip("\n")
    return text.format(address=repository(), branch=BRANCH)


def with_written_cells(notebook: Notebook, name: str) -> Notebook:
    """A notebook with the badge as its first cell and ours as the first of code."""
    cells = [x for x in notebook["cells"] if x.get("id") not in (BADGE, INSTALL)]
    at = next((i for i, x in enumerate(cells) if x["cell_type"] == "code"), len(cells))
    install = {
        "cell_type": "code",
        "execution_count": None,
        "id": INSTALL,
        "metadata": {"cellView": "form"},  # Colab shows its title alone
        "outputs": [],
        "source": first_cell().splitlines(keepends=True),
    }
    top = {
        "cell_type": "markdown",
        "id": BADGE,
        "metadata": {},
        "source": [badge(name)],
    }
    return {**notebook, "cells": [top, *cells[:at], install, *cells[at:]]}


def read(path: Path) -> Notebook:
    """Reads a notebook.

    Raises:
      NotebookError: there is none, or it is damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NotebookError(f"it cannot be read ({error}).") from error


def write(path: Path, notebook: Notebook) -> None:
    """Writes a notebook as Jupyter does."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", "utf-8")


# -- what is kept ----------------------------------------------------------------------


def kept(notebook: Notebook, *, compress: bool = True) -> Notebook:
    """An executed notebook as it is committed.

    Args:
      notebook: executed.
      compress: writes images anew, in few bytes.

    Raises:
      NotebookError: a stored cell shows nothing, or an image that must not be stored.
    """
    cells = []
    for cell in notebook["cells"]:
        own = {x: y for x, y in cell["metadata"].items() if x in KEPT}
        cell = {**cell, "metadata": own, "source": lines_of(cell)}
        if cell["cell_type"] == "code":
            stays = STORED in tags(cell)
            outputs = list(stored_outputs(cell, compress)) if stays else []
            cell |= {"execution_count": None, "outputs": outputs}
            if stays and not outputs:
                raise NotebookError(f"cell {cell['id']} is stored and shows nothing.")
        cells.append(cell)
    metadata = {
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
        **{x: y for x, y in notebook["metadata"].items() if x == SMALL},
    }
    if any(STORED in tags(x) for x in cells):
        metadata[DIGEST] = digest(notebook)
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def stored_outputs(cell: Cell, compress: bool) -> Iterator[dict[str, Any]]:
    """What the file keeps of a stored cell: printed lines, values, flat images."""
    for output in cell["outputs"]:
        if output["output_type"] == "stream" and output["name"] == "stdout":
            lines = "".join(output["text"]).splitlines(keepends=True)
            lines = [x for x in lines if not x.startswith(PASSING)]
            if "".join(lines).strip():
                yield {**output, "text": lines}
        if output["output_type"] not in ("display_data", "execute_result"):
            continue
        data = {x: y for x, y in output["data"].items() if x == "text/plain"}
        if png := output["data"].get("image/png"):
            data = {"image/png": stored_image(cell, png, compress)}
        if data:
            yield {"data": data, "metadata": {}, "output_type": "display_data"}


def stored_image(cell: Cell, png: str, compress: bool) -> str:
    """An image as Jupyter writes it, if it may be stored.

    Raises:
      NotebookError: it may be a photograph, or has too many bytes.
    """
    from PIL import Image

    content = base64.b64decode(png)
    image = Image.open(io.BytesIO(content)).convert("RGB")
    if (flat := flatness(image)) < LEAST_FLAT:
        raise NotebookError(
            f"cell {cell['id']} is stored, but may show a photograph: expected "
            f"{LEAST_FLAT:.0%} of its pixels to be as their neighbours, but only "
            f"{flat:.0%} are. Draw regions in flat colours, or do not store it."
        )
    if compress:
        if image.getcolors(256):
            image = image.quantize(256, dither=Image.Dither.NONE)
        file = io.BytesIO()
        image.save(file, "PNG", optimize=True)
        content = file.getvalue()
    if len(content) > MOST_BYTES:
        raise NotebookError(
            f"cell {cell['id']} is stored, but its image has {len(content)} bytes: "
            f"expected at most {MOST_BYTES}. Draw it smaller."
        )
    return base64.b64encode(content).decode() + "\n"


def flatness(image: Any) -> float:
    """Share of the pixels that are as the one below and the one to the right."""
    import numpy as np

    pixels = np.asarray(image).astype(np.int16)
    same = (pixels[1:, 1:] == pixels[:-1, 1:]) & (pixels[1:, 1:] == pixels[1:, :-1])
    return float(same.all(-1).mean())


# -- what is current -------------------------------------------------------------------


def not_current(notebook: Notebook, path: Path) -> Iterator[str]:
    """Sentences on what `refresh.py` would write otherwise, or people must change."""
    advice = f"run python colab/refresh.py {path.stem}"
    cells = notebook["cells"]
    if with_written_cells(notebook, path.stem)["cells"] != cells:
        yield f"its badge or its first cell is not current; {advice}."
    stores = any(STORED in tags(x) for x in cells)
    if stores and notebook["metadata"].get(DIGEST) != digest(notebook):
        yield f"what it stores is of other code; {advice}."
    try:
        if kept(notebook, compress=False)["cells"] != cells:
            yield f"it has outputs that are not stored, or more than that; {advice}."
    except NotebookError as error:
        yield str(error)
    for cell in cells:
        is_own = cell["cell_type"] == "code" and cell["id"] != INSTALL
        if is_own and (count := len(lines_of(cell))) > MOST_LINES:
            yield (
                f"cell {cell['id']} has {count} lines: expected a screen at most, "
                f"{MOST_LINES}."
            )
    yield from wrong_settings(notebook)


def wrong_settings(notebook: Notebook) -> Iterator[str]:
    """Sentences on small settings that would change nothing."""
    sources = ["".join(x["source"]) for x in notebook["cells"] if PARAMETERS in tags(x)]
    assigned = {
        target.id
        for source in sources
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for name in notebook["metadata"].get(SMALL, {}):
        if name not in assigned:
            yield (
                f"its metadata {SMALL} sets {name}, which no cell tagged {PARAMETERS} "
                "assigns."
            )


def digest(notebook: Notebook) -> str:
    """SHA-256 of the code that stored outputs come from, but for the first cell."""
    sources = [
        "".join(x["source"])
        for x in notebook["cells"]
        if x["cell_type"] == "code" and x["id"] != INSTALL
    ]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def tags(cell: Cell) -> list[str]:
    """The tags of a cell."""
    return cell["metadata"].get("tags", [])


def lines_of(cell: Cell) -> list[str]:
    """The source of a cell as files have it, by lines."""
    return "".join(cell["source"]).splitlines(keepends=True)
