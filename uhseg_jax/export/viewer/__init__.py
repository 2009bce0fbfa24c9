"""The page in which trees are looked at, and what it lets out: the format "html"."""

import contextlib
from collections.abc import Iterator
from typing import Any

from uhseg_jax.export.categories_page import open_categories_page
from uhseg_jax.export.exporter import Destination, Exporter, FileWriter
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.export.viewer.entries import PageEntry, page_entry
from uhseg_jax.export.viewer.page import open_viewer, open_viewer_at

__all__ = ["HTML", "PageEntry", "open_viewer", "page_entry"]

_FILE = "index.html"


def _render(result: Result, options: ExportOptions) -> Any:
    if options.num_categories is None:
        return page_entry(result, options)
    return result  # the page draws few of its regions, and knows which


@contextlib.contextmanager
def _open(destination: Destination, options: ExportOptions) -> Iterator[FileWriter]:
    if options.num_categories is None:
        with open_viewer_at(destination, _FILE) as writer:
            yield writer
        return
    with (
        destination.write(_FILE) as aside,
        open_categories_page(aside, options) as categories,
    ):
        yield categories


HTML = Exporter(
    "html",
    "index.html, which needs no server; its images above 500 lie in index/",
    (_FILE,),
    _render,
    _open,
    uses_descriptors=True,
    holds_regions=False,
)
