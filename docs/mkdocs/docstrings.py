"""Docstrings in the API reference: code has its language, names are links."""

import re
from collections.abc import Iterator
from typing import Any

import griffe

PACKAGE = "uhseg_jax"
# From the first prompt to the next empty line.
_EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1\S.*)*", re.M)
_FLAG = re.compile(r" *# doctest: .*")
_NAME = re.compile(r"(?<![`\w])`([A-Za-z_][\w.]*)`(?!`)")


def objects(module: griffe.Object) -> Iterator[griffe.Object]:
    """Everything that is defined in a module, itself too."""
    yield module
    for member in module.members.values():
        if isinstance(member, griffe.Object):
            yield from objects(member)


def _path(name: str, seen_from: griffe.Object, package: griffe.Object) -> str | None:
    """What a name of this package means in a docstring; None where it means nothing."""
    if name.startswith(f"{PACKAGE}."):
        return name
    if isinstance(seen_from, griffe.Function) and name in seen_from.parameters:
        return None
    first, dot, rest = name.partition(".")
    try:
        found = seen_from.resolve(first) + dot + rest
    except griffe.NameResolutionError:
        found = f"{PACKAGE}.{name}" if first in package.members else ""
    return found if found.startswith(f"{PACKAGE}.") else None


def readable(text: str, seen_from: griffe.Object, package: griffe.Object) -> str:
    """A docstring whose examples are fenced and whose names are links.

    Args:
      text: the docstring.
      seen_from: the object that has it, in whose scope names are looked up.
      package: in which names are looked up after that.
    """

    def link(match: re.Match[str]) -> str:
        path = _path(match[1], seen_from, package)
        if path is None:
            return match[0]
        return f'<autoref optional identifier="{path}">{match[0]}</autoref>'

    def fence(match: re.Match[str]) -> str:
        code = _FLAG.sub("", match[0])
        lines = (line.removeprefix(match[1]) for line in code.splitlines())
        return "\n".join(["```pycon", *lines, "```"])

    return _EXAMPLE.sub(fence, _NAME.sub(link, text))


class Docstrings(griffe.Extension):
    """Called by Griffe, which reads the package."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Once for the whole package."""
        for found in objects(pkg):
            if found.docstring:
                found.docstring.value = readable(found.docstring.value, found, pkg)
