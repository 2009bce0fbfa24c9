"""Drawings with links: an image that is an SVG of ours becomes part of its page.

There its links can be followed, and its text takes the colours of the page. In the file
a link is the path of a page below docs/, and elsewhere the file is shown as it is.
"""

import logging
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_IMAGE = re.compile(r'<img [^>]*src="([^"]+\.svg)"[^>]*>')
_LINK = re.compile(r'(?<=<a href=")([^"]+\.md)((?:#[^"]*)?)(?=")')
_log = logging.getLogger("mkdocs.hooks.drawings")


def with_links(drawing: str, page: Page, files: Files) -> str:
    """A drawing whose links lead from a page to others of the site."""

    def replace(match: re.Match[str]) -> str:
        found = files.get_file_from_path(match[1])
        if found is None:
            _log.warning(
                "%s shows a drawing that links to %s, which is no page.",
                page.file.src_uri,
                match[1],
            )
            return match[0]
        return found.url_relative_to(page.file) + match[2]

    return _LINK.sub(replace, drawing)


def on_page_content(
    content: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Called by MkDocs for every page."""

    def replace(match: re.Match[str]) -> str:
        folder = (Path(config.docs_dir) / page.file.dest_uri).parent
        path = (folder / match[1]).resolve()
        if not path.is_relative_to(config.docs_dir) or not path.is_file():
            return match[0]
        drawing = path.read_text()
        if "<a " not in drawing:
            return match[0]
        # A span, since images stand in paragraphs; wide drawings scroll in it.
        return f'<span class="drawing">{with_links(drawing, page, files)}</span>'

    return _IMAGE.sub(replace, content)
