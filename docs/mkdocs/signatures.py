"""Signatures in the API reference: what a caller needs of a type, and no more."""

import dataclasses
from typing import Any

import griffe
from docstrings import PACKAGE, objects

# The base of every config, which adds nothing that a caller uses.
_INNER_BASE = "Validated"
# Values of constants that are longer say less than what is written of them.
_LONGEST = 60


def simplified(annotation: Any) -> Any:
    """An annotation without what only checks read.

    ``Annotated[int, integer(1)]`` becomes ``int``, and a shape such as ``' n'`` is
    written as ``"n"``.
    """
    if isinstance(annotation, str):
        if annotation[:1] == annotation[-1:] == "'":
            return f'"{annotation[1:-1].strip()}"'
        return annotation
    if isinstance(annotation, list | tuple):
        return type(annotation)(map(simplified, annotation))
    if not isinstance(annotation, griffe.Expr):
        return annotation
    if isinstance(annotation, griffe.ExprSubscript) and (
        annotation.canonical_path.endswith(".Annotated")
    ):
        return simplified(annotation.slice.elements[0])
    fields = {
        x.name: simplified(getattr(annotation, x.name))
        for x in dataclasses.fields(annotation)
        if x.name not in ("parent", "member")
    }
    return dataclasses.replace(annotation, **fields)


def _simplify(found: griffe.Object) -> None:
    if isinstance(found, griffe.Function):
        found.returns = simplified(found.returns)
        for parameter in found.parameters:
            parameter.annotation = simplified(parameter.annotation)
    elif isinstance(found, griffe.Attribute):
        found.annotation = simplified(found.annotation)
        if len(str(found.value)) > _LONGEST and "dataclass" not in found.parent.labels:
            found.value = None
    elif isinstance(found, griffe.Class):
        found.bases = [x for x in found.bases if str(x) != _INNER_BASE]
        found.members.pop("__post_init__", None)
        for decorator in found.decorators:
            if decorator.callable_path == f"{PACKAGE}.pytrees.pytree_dataclass":
                module = griffe.ExprName("dataclasses")
                decorator.value = griffe.ExprName("dataclass", parent=module)


class Signatures(griffe.Extension):
    """Called by Griffe, which reads the package."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Once for the whole package; before Griffe's own work on dataclasses."""
        for found in objects(pkg):
            _simplify(found)
