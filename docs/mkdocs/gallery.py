"""Pages of the gallery: its examples are run when the site is built.

UHSEG_GALLERY=skip runs none; their pages then show what is current from before.
"""

import logging
import os
from typing import Any

import examples
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_log = logging.getLogger("mkdocs.hooks.gallery")


def _all() -> list[examples.Example]:
    scripts = sorted(examples.GALLERY.glob("*.py"))
    return [examples.Example.read(x) for x in scripts]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the examples below the gallery in the nav, grouped as in its index."""
    index = (examples.GALLERY / "index.md").read_text(encoding="utf-8")
    groups = [
        {heading: [{title: f"gallery/{name}.md"} for title, name in found]}
        for heading, found in examples.groups_of(index).items()
    ]
    config.nav = _with_section(config.nav, [examples.INDEX, *groups])
    return config


def _with_section(nav: Any, section: list[Any]) -> Any:
    """The nav with a section in place of the page of the index."""
    if isinstance(nav, dict):
        return {title: _with_section(x, section) for title, x in nav.items()}
    if isinstance(nav, list):
        return [_with_section(x, section) for x in nav]
    return section if nav == examples.INDEX else nav


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Runs the examples, and adds their pages and pictures."""
    run = os.environ.get("UHSEG_GALLERY") != "skip"
    found = _all()
    try:
        results = examples.results_of(found, run=run, tell=_log.info)
    except RuntimeError as error:
        raise PluginError(str(error)) from error
    for example in found:
        result = results.get(example.name)
        page = File.generated(
            config, f"gallery/{example.name}.md", content=example.page(result)
        )
        page.edit_uri = f"gallery/{example.script.name}"
        files.append(page)
        for name, shown in examples.PICTURES.items() if result else ():
            uri = f"gallery/{shown.format(example.name)}"
            path = str(result / name)
            files.append(File.generated(config, uri, abs_src_path=path))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """The index of the gallery shows cards."""
    if page.file.src_uri != examples.INDEX:
        return markdown
    cards = {x.src_uri for x in files if x.src_uri.endswith("-card.webp")}
    drawn = {x.removeprefix("gallery/").removesuffix("-card.webp") for x in cards}
    return examples.with_cards(markdown, drawn)
