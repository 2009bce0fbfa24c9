"""Parameters as texts on a command line: ``--config.NAME=VALUE``."""

import dataclasses
import re
import types
import typing
from collections.abc import Sequence
from typing import Any

from uhseg_jax.registry import suggest

__all__ = ["UsageError", "override"]


class UsageError(ValueError):
    """The command line does not say what to do; the message says what would."""


def override(config: Any, assignments: Sequence[str], *, flag: str = "--config") -> Any:
    """A config with fields replaced.

    Args:
      config: a frozen dataclass; the annotations of its fields say how to read texts.
      assignments: texts of the form NAME=VALUE, or FIELD.NAME=VALUE for a field that
        is itself a dataclass.
      flag: what messages call the flag.

    Raises:
      UsageError: a field is unknown or cannot have the value.
    """
    hints = typing.get_type_hints(type(config))
    kinds = {field.name: hints[field.name] for field in dataclasses.fields(config)}
    changes: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        outer, dot, inner = name.partition(".")
        nested = changes.get(outer, getattr(config, outer, None))
        if not equals:
            raise UsageError(
                f"{flag} expects {flag}.NAME=VALUE, but got {assignment!r}."
            )
        if dot and dataclasses.is_dataclass(nested):
            assigned = [f"{inner}={text}"]
            changes[outer] = override(nested, assigned, flag=f"{flag}.{outer}")
            continue
        if dataclasses.is_dataclass(nested):
            raise UsageError(f"{flag}.{name} expects {flag}.{name}.NAME=VALUE.")
        if name not in kinds:
            raise UsageError(
                f"{flag}: there is no parameter {name!r}.{suggest(name, kinds)} There "
                f"are {', '.join(kinds)}."
            )
        kind = kinds[name]
        try:
            changes[name] = _read(kind, text)
        except ValueError as error:
            expected = kind.__name__ if isinstance(kind, type) else kind
            raise UsageError(
                f"{flag}.{name} expects {expected}, but got {text!r}."
            ) from error
    try:
        return dataclasses.replace(config, **changes)
    except ValueError as error:  # out of its range
        raise UsageError(f"{flag}: {error}") from error


def _read(kind: Any, text: str) -> Any:
    """A text as a value of an annotated type; ValueError if it is none."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        # Text last: whatever is a number or None is meant as that.
        for one in sorted(arguments, key=lambda one: one is str):
            try:
                return _read(one, text)
            except ValueError:
                continue
        raise ValueError(text)
    if origin is tuple:
        # 840x1680 is a pair of numbers as well.
        separators = "[,xX]" if arguments == (int, int) else ","
        parts = [x for x in re.split(separators, text.strip("()[] ")) if x.strip()]
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(parts)
        if len(arguments) != len(parts):
            raise ValueError(text)
        return tuple(map(_read, arguments, parts))
    if origin is typing.Literal:
        choices = {choice: choice for choice in arguments}
    elif kind in (None, types.NoneType):
        choices, text = {"none": None}, text.lower()
    elif kind is bool:
        choices, text = (
            {"true": True, "1": True, "false": False, "0": False},
            text.lower(),
        )
    else:
        return kind(text)
    if text not in choices:
        raise ValueError(text)
    return choices[text]
