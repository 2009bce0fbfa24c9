"""Names of the package in the text of pages become links to the API reference."""

import re
from typing import Any

_NAME = re.compile(
    r"(<(?:a|autoref|h\d)\b[^>]*>)?<code>(uhseg_jax(?:\.\w+)+)(?:\(\))?</code>"
)


def with_links(content: str) -> str:
    """HTML in which a name that is code by itself leads to where it is described."""

    def replace(match: re.Match[str]) -> str:
        if match[1]:  # a link already, or a heading
            return match[0]
        return f'<autoref optional identifier="{match[2]}">{match[0]}</autoref>'

    return _NAME.sub(replace, content)


def on_page_content(content: str, **_: Any) -> str:
    """Called by MkDocs for every page."""
    return with_links(content)
