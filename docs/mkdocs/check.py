"""The built site: every link leads somewhere, and nothing loads from elsewhere."""

import logging
import re
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig
from pages import ROOT

_LOADING_RELS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "manifest"}
_LINKS = {"a", "area"}
_log = logging.getLogger("mkdocs.hooks.check")


class _Addresses(HTMLParser):
    """The ids of a page, what it loads, and where its links go."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.loads: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser for every element."""
        found = {name: value or "" for name, value in attrs}
        self.ids.update(found[key] for key in ("id", "name") if key in found)
        targets = {
            found[x] for x in ("href", "xlink:href", "src", "data") if x in found
        }
        targets.update(x.split()[0] for x in found.get("srcset", "").split(",") if x)
        if tag in _LINKS:
            self.links.update(targets)
        elif tag != "link" or _LOADING_RELS & set(found.get("rel", "").split()):
            self.loads.update(x for x in targets if not x.startswith("data:"))


def _fault_outside(target: str, repository: str) -> str | None:
    """What is wrong with a link to another host, by its form alone."""
    # Colab opens what is on GitHub by the same path.
    at_home = target.replace("colab.research.google.com/github/", "github.com/")
    within = re.match(
        rf"{re.escape(repository)}/(?:blob|tree|edit)/\w+/([^#?]+)", at_home
    )
    if within and not (ROOT / unquote(within[1])).exists():
        return f"links to {target}, but the repository has no file {within[1]}"
    parts = urlsplit(target)
    if parts.scheme == "mailto":
        return None
    if parts.scheme in ("http", "https") and "." in parts.netloc and " " not in target:
        return None
    return f"links to {target!r}, which is no address"


def _fault_inside(
    target: str, page: Path, site: Path, ids: dict[Path, set[str]]
) -> str | None:
    """What is wrong with an address within the site."""
    path, _, anchor = target.partition("#")
    path = unquote(path.partition("?")[0])
    if page.name == "404.html":  # shown at any address, so its links begin at the root
        path = path.removeprefix("/")
    found = (page.parent / path).resolve() if path else page
    if not found.is_relative_to(site) or not found.is_file():
        return f"leads to {target}, but the site has no such file"
    if anchor and found.suffix == ".html" and unquote(anchor) not in ids[found]:
        return f"leads to {target}, but that page has no such place"
    return None


def faults(site: Path, repository: str) -> dict[str, set[str]]:
    """What is wrong with the addresses in a built site.

    Args:
      site: its folder.
      repository: address of the repository, links into which lead to files of this one.

    Returns:
      Sentences about each page that has faults.
    """
    site = site.resolve()
    pages = {x: _Addresses(x.read_text()) for x in sorted(site.rglob("*.html"))}
    ids = {page: found.ids for page, found in pages.items()}
    wrong: dict[str, set[str]] = defaultdict(set)
    for page, found in pages.items():
        name = page.relative_to(site).as_posix()
        for target in found.links | found.loads:
            if not re.match(r"[a-z]+:|//", target):
                fault = _fault_inside(target, page, site, ids)
            elif target in found.loads:
                fault = f"loads {target}: a page of the site is whole without a network"
            else:
                fault = _fault_outside(target, repository)
            if fault:
                wrong[name].add(fault)
    return dict(wrong)


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Called by MkDocs at the end: a fault is a warning, so `--strict` fails."""
    repository = (config.repo_url or "").rstrip("/")
    for page, sentences in faults(Path(config.site_dir), repository).items():
        for sentence in sorted(sentences):
            _log.warning("%s %s.", page, sentence)
