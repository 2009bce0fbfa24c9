"""One HTML page in which trees are looked at: no server, no network, one file.

The page is `page.html` with `page.css` and the scripts of this folder put into it.
Every image is a script element of its own that holds JSON, so the browser parses the
one that is shown and no other; see `entries`.
"""

import contextlib
import functools
import html
import importlib.resources
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from uhseg_jax.export.exporter import Result

__all__ = ["open_viewer", "page_around"]

# One scope holds all of them, so each may call the others; what runs comes last.
_SCRIPTS = (
    "trees",
    "images",
    "list",
    "going",
    "address",
    "words",
    "controls",
    "drawing",
    "tags",
    "selection",
    "pointer",
    "encodings",
    "taking_out",
    "loading",
    "keys",
    "main",
)


@contextlib.contextmanager
def open_viewer(
    path: Path, *, title: str = "Trees of regions"
) -> Iterator["_ViewerWriter"]:
    """Writes the page for many images, one image in memory at a time.

    It is whole when the block has ended without an exception.

    Args:
      path: the file to write; ``.html``.
      title: what the page is called, in its heading and in the browser's tab.
    """
    head, tail = page_around(title)
    # File names may hold bytes that are no text; they become question marks.
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(head)
        yield _ViewerWriter(file)
        file.write(tail)


def page_around(title: str) -> tuple[str, str]:
    """What comes before the images of a page and what comes after them."""
    head, tail = _template()
    return head.replace("{{title}}", html.escape(title)), tail


@functools.cache
def _template() -> tuple[str, str]:
    """The page but for its title and its images: before them and after them."""
    folder = importlib.resources.files(__package__)
    page, style = ((folder / f"page.{x}").read_text("utf-8") for x in ("html", "css"))
    parts = ((folder / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
    script = '"use strict";\n(() => {\n' + "\n".join(parts) + "})();"
    head, tail = page.split("{{images}}")
    return head.replace("{{style}}", style), tail.replace("{{script}}", script)


class _ViewerWriter:
    """Adds images and their trees to an open page."""

    def __init__(self, file: TextIO):
        self._file = file

    def is_there(self, result: Result) -> bool:
        """See `FileWriter.is_there`."""
        del result
        return False

    def put(self, name: str, content: str) -> None:
        """Writes a `page_entry`."""
        del name
        self._file.write(content)
