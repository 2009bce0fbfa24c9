"""HTML pages in which trees are looked at: no server, no network.

A page is `page.html` with `page.css` and the scripts of this folder put into it. Some
hundred images are in the page itself, every one a script element of its own that holds
JSON, so the browser parses the one that is shown and no other. Of more, the page holds
the names, and what else there is of them lies in scripts in a folder beside it, which
it loads when they are looked at; from disk a page may load scripts, but no data.
"""

import contextlib
import functools
import hashlib
import html
import importlib.resources
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from uhseg_jax.export.exporter import Destination, FileOfTheRun, Folder
from uhseg_jax.export.parts import (
    MOST_IN_ONE_FILE,
    Spool,
    part_name,
    remove_old_parts,
    slices,
)
from uhseg_jax.export.viewer.entries import PageEntry, image_element
from uhseg_jax.export.viewer.similar import SimilarRegions

__all__ = ["open_viewer", "open_viewer_at", "page_around"]

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
    "frames",
    "tags",
    "selection",
    "similar",
    "pointer",
    "encodings",
    "taking_out",
    "loading",
    "keys",
    "main",
)

_TITLE = "Trees of regions"
# Images in a part of each kind: some megabytes of trees, some hundred thumbnails.
_IN_A_PART = {"images": 16, "thumbnails": 200, "similar": 250}
_PREFIXES = {"images": "", "thumbnails": "thumbnails_", "similar": "similar_"}


def open_viewer(
    path: Path, *, title: str = _TITLE
) -> contextlib.AbstractContextManager["_ViewerWriter"]:
    """Writes the page for many images, one image in memory at a time.

    It is whole when the block has ended without an exception.

    Args:
      path: the file to write; ``.html``.
      title: what the page is called, in its heading and in the browser's tab.
    """
    return open_viewer_at(Folder(path.parent), path.name, title=title)


@contextlib.contextmanager
def open_viewer_at(
    destination: Destination, file: str, *, title: str = _TITLE
) -> Iterator["_ViewerWriter"]:
    """As `open_viewer`, at a destination.

    Above `MOST_IN_ONE_FILE` images the parts of the page are in a folder that is called
    as it is, without the suffix.

    Args:
      destination: where the files come to be.
      file: name of the page.
      title: what the page is called.
    """
    with (
        contextlib.closing(_ViewerWriter(destination.output)) as writer,
        destination.write(file) as aside,
    ):
        yield writer
        writer.write(destination, file, aside, title)


def page_around(title: str, *, loads_parts: bool = False) -> tuple[str, str]:
    """What comes before the images of a page and what comes after them.

    Args:
      title: what the page is called.
      loads_parts: whether the page may load scripts that lie beside it.
    """
    head, tail = _template()
    sources = " 'self' file:" if loads_parts else ""
    head = head.replace("{{sources}}", sources)
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


class _ViewerWriter(FileOfTheRun):
    """Takes images and their trees, and in the end writes the page.

    Args:
      folder: where what comes into the page waits.
    """

    def __init__(self, folder: Path):
        self._about: list[tuple[str, int, int, int, str]] = []
        self._texts, self._thumbnails = Spool(folder), Spool(folder)
        self._similar = SimilarRegions(folder)

    def add(self, content: PageEntry) -> None:
        """Takes the next image."""
        self._about.append(content.about)
        self._texts.add(content.text)
        self._thumbnails.add(content.thumbnail)
        self._similar.add(content.described)

    def close(self) -> None:
        """Frees the disk."""
        self._texts.close()
        self._thumbnails.close()
        self._similar.close()

    def write(
        self, destination: Destination, file: str, aside: Path, title: str
    ) -> None:
        """Writes the page called ``file``, in parts if it has many images.

        The page itself comes last, and knows its parts by their digests.
        """
        pattern = file.rsplit(".", 1)[0] + "/{kind}{part}.js"
        in_parts = len(self._about) > MOST_IN_ONE_FILE
        listing = self._write_parts(destination, pattern) if in_parts else None
        for kind, prefix in _PREFIXES.items():
            own = pattern.replace("{kind}", prefix)
            count = len(listing["digests"].get(kind, ())) if listing else 0
            remove_old_parts(destination, own, above=count)
        with _open(aside) as page:
            head, tail = page_around(title, loads_parts=in_parts)
            page.write(head)
            if listing is None:
                page.writelines(self._elements())
            else:
                page.write(_json_element("parts", json.dumps(listing)))
            page.write(tail)

    def _elements(self) -> Iterator[str]:
        """All images, for a page that holds them itself."""
        everything = range(len(self._about))
        pairs = zip(
            self._thumbnails.texts(everything),
            self._texts.texts(everything),
            strict=True,
        )
        for about, (thumbnail, text) in zip(self._about, pairs, strict=True):
            yield image_element(about, thumbnail, text)
        if not self._similar.is_empty():
            texts = ",\n".join(self._similar.texts())
            yield _json_element("similar-regions", f"[{texts}]")

    def _write_parts(self, destination: Destination, pattern: str) -> dict[str, Any]:
        """Writes everything but the page; gives what the page has to know of it."""
        texts: dict[str, Callable[[range], Iterable[str]]] = {
            "images": self._texts.texts,
            "thumbnails": self._thumbnails.texts,
        }
        if not self._similar.is_empty():
            similar = self._similar.texts()
            texts["similar"] = lambda which: (next(similar) for _ in which)
        digests: dict[str, list[str]] = {}
        for kind, texts_of in texts.items():
            own = pattern.replace("{kind}", _PREFIXES[kind])
            which = slices(len(self._about), _IN_A_PART[kind])
            digests[kind] = [
                _write_part(destination, part_name(own, number), kind, number, entries)
                for number, entries in enumerate(map(texts_of, which), start=1)
            ]
        return {
            "images": self._about,
            "file": pattern,
            "prefixes": _PREFIXES,
            "digests": digests,
            "inAPart": _IN_A_PART,
        }


def _write_part(
    destination: Destination, file: str, kind: str, number: int, entries: Iterable[str]
) -> str:
    """Writes a part of the page, and gives its digest."""
    content = json.dumps([*entries])
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    with destination.write(file) as aside:
        call = f'receivePart("{kind}", {number}, "{digest}", {content});\n'
        aside.write_text(call, encoding="utf-8")
    return digest


def _json_element(name: str, text: str) -> str:
    text = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _open(path: Path) -> TextIO:
    # File names may hold bytes that are no text; they become question marks.
    return open(path, "w", encoding="utf-8", errors="replace")
