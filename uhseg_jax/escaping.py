"""Texts from anywhere, such as names of files, made harmless where people read them."""

import re

__all__ = ["escaped"]

# Controls, line separators, marks that reverse text, and the mark of byte order.
_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def escaped(text: str, *, kept: str = "") -> str:
    r"""A text with its control characters as ``\x1b`` or ``\u202e``.

    Args:
      text: anything.
      kept: control characters that stay.
    """

    def shown(found: "re.Match[str]") -> str:
        if found[0] in kept:
            return found[0]
        return found[0].encode("unicode_escape").decode("ascii")

    return _CONTROLS.sub(shown, text)
