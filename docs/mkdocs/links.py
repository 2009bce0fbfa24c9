"""Links of pages to files of the repository outside docs/ become its addresses."""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page
from pages import ROOT, ROOT_FILES

BRANCH = "main"
_FENCED = re.compile(r"(^ *(?:```|~~~).*?^ *(?:```|~~~)[^\S\n]*$)", re.M | re.S)
_INLINE = re.compile(r"(?<=\]\()[^)\s]+(?=[)\s])")
_REFERENCE = re.compile(r"(?<=\]: )\S+$", re.M)


def address(target: str, source: Path, page: str, repository: str) -> str:
    """Where a link of a page goes on the site.

    Args:
      target: as it is written in the file.
      source: that file.
      page: the page that it becomes, below docs/.
      repository: address of the repository.

    Returns:
      The target, or for a file outside docs/ the address of its page or of the file in
      the repository. One that is not there is left for MkDocs to refuse.
    """
    path, _, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:|/", path):
        return target
    found = (source.parent / path).resolve()
    anchor = f"#{anchor}" if anchor else ""
    if not found.is_relative_to(ROOT) or not found.exists():
        return target
    within = found.relative_to(ROOT).as_posix()
    of_docs = ROOT_FILES.get(within) or within.removeprefix("docs/")
    if of_docs != within:
        return os.path.relpath(of_docs, os.path.dirname(page) or ".") + anchor
    kind = "tree" if found.is_dir() else "blob"
    return f"{repository}/{kind}/{BRANCH}/{within}{anchor}"


def with_addresses(markdown: str, source: Path, page: str, repository: str) -> str:
    """A page's text, every link of it as `address` has it; code is left as it is."""

    def replace(match: re.Match[str]) -> str:
        return address(match[0], source, page, repository)

    parts = _FENCED.split(markdown)
    for i in range(0, len(parts), 2):
        parts[i] = _REFERENCE.sub(replace, _INLINE.sub(replace, parts[i]))
    return "".join(parts)


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, **_: Any
) -> str | None:
    """Called by MkDocs for every page."""
    source = page.file.abs_src_path
    if source is None or config.repo_url is None:
        return None
    repository = config.repo_url.rstrip("/")
    return with_addresses(markdown, Path(source), page.file.src_uri, repository)
