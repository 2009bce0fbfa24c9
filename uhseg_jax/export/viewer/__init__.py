"""The page in which trees are looked at, and what it lets out: the format "html"."""

from pathlib import Path
from typing import Any

from uhseg_jax.export.categories_page import open_categories_page
from uhseg_jax.export.exporter import ExportOptions, Opened, Result, for_the_run
from uhseg_jax.export.viewer.entries import page_entry
from uhseg_jax.export.viewer.page import open_viewer

__all__ = ["HTML", "open_viewer", "page_entry"]


def _render(result: Result, options: ExportOptions) -> Any:
    if options.num_categories is None:
        return page_entry(result)
    return result  # the page draws few of its regions, and knows which


def _open(path: Path, options: ExportOptions) -> Opened:
    if options.num_categories is None:
        return open_viewer(path)
    return open_categories_page(path, options)


HTML = for_the_run(
    "html",
    "index.html, which needs no server",
    "index.html",
    _render,
    _open,
)
