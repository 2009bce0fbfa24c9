"""Keeps the notebooks of this folder current, and executes them.

    python colab/refresh.py [NAME ...]              execute, keep what is stored
    python colab/refresh.py --check [NAME ...]      say what is not current
    python colab/refresh.py --cells [NAME ...]      write the badge and the first cell
    python colab/refresh.py --small --output=DIR    execute with small settings

A notebook is executed in an empty folder, as in Colab. Of its outputs the file keeps
those of cells tagged `stored`, which show no photograph; its badge and its first cell
are written anew. `--check` executes nothing. `--small` leaves the notebooks as they
are: after the cell tagged `parameters` it sets what `uhseg_small` in the metadata of a
notebook says, and the executed copies are in DIR.

Executing needs nbclient and ipykernel (pip install '.[notebooks]'); in the kernel, the
first cell installs what UHSEG_SOURCE names, or else the repository.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from notebooks import (  # beside this file
    FOLDER,
    PARAMETERS,
    SMALL,
    Cell,
    Notebook,
    NotebookError,
    kept,
    not_current,
    read,
    tags,
    with_written_cells,
    write,
)

SECONDS = 1800  # that a cell may take


def main(argv: list[str]) -> int:
    """Does what the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="notebooks; all by default")
    for flag in ("--check", "--cells", "--small"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--output", type=Path, help="folder of executed copies")
    options = parser.parse_args(argv)
    if options.small != (options.output is not None):
        parser.error("--small and --output=DIR go together.")
    names = options.names or sorted(x.stem for x in FOLDER.glob("*.ipynb"))
    troubles = []
    for path in (FOLDER / f"{Path(x).stem}.ipynb" for x in names):
        try:
            notebook = read(path)
            if options.check:
                troubles += [f"{path.name}: {x}" for x in not_current(notebook, path)]
            elif options.cells:
                write(path, with_written_cells(notebook, path.stem))
            elif options.small:
                run = executed(notebook, path.stem, small=True)
                options.output.mkdir(parents=True, exist_ok=True)
                write(options.output / path.name, run)
            else:
                run = executed(with_written_cells(notebook, path.stem), path.stem)
                write(path, kept(run))
        except NotebookError as error:
            troubles.append(f"{path.name}: {error}")
    print("\n".join(troubles), file=sys.stderr, end="\n" if troubles else "")
    return 1 if troubles else 0


def executed(notebook: Notebook, name: str, *, small: bool = False) -> Notebook:
    """A notebook with the outputs of all its cells.

    Raises:
      NotebookError: a cell failed.
    """
    import nbclient
    import nbformat

    begin = time.monotonic()
    cells = list(with_small_settings(notebook) if small else notebook["cells"])
    text = json.dumps({**notebook, "cells": cells})
    node = nbformat.reads(text, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            node,
            timeout=SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            raise NotebookError(f"a cell failed.\n{error}") from error
        except nbclient.exceptions.CellTimeoutError as error:
            raise NotebookError(f"a cell took more than {SECONDS} s.") from error
    print(f"{name}: executed in {time.monotonic() - begin:.0f} s", flush=True)
    return json.loads(nbformat.writes(node))


def with_small_settings(notebook: Notebook) -> Iterator[Cell]:
    """The cells, with one more after the parameters that sets them anew."""
    for cell in notebook["cells"]:
        yield cell
        if PARAMETERS in tags(cell):
            settings = notebook["metadata"].get(SMALL, {})
            lines = [f"{name} = {value!r}" for name, value in settings.items()]
            yield {
                "cell_type": "code",
                "execution_count": None,
                "id": "small-settings",
                "metadata": {},
                "outputs": [],
                "source": "\n".join(lines),
            }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
