"""Formulas become MathML, which browsers draw by themselves."""

import html
import re
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.pages import Page

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.S)


def with_mathml(content: str) -> str:
    """HTML in which formulas of the extension arithmatex are MathML."""

    def replace(match: re.Match[str]) -> str:
        display = "block" if match[1] == "div" else "inline"
        formula = convert(html.unescape(match[2]).strip(), display=display)
        return f'<{match[1]} class="formula">{formula}</{match[1]}>'

    return _FORMULA.sub(replace, content)


def on_page_content(content: str, page: Page, **_: Any) -> str:
    """Called by MkDocs for every page."""
    del page
    return with_mathml(content)
