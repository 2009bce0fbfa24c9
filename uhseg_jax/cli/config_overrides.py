"""Parameters as texts on a command line: ``--config.NAME=VALUE``."""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Sequence
from typing import Any

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
    hints = typing.get_type_hints(type(config))  # without validators
    fields = {field.name: hints[field.name] for field in dataclasses.fields(config)}
    changes: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        outer, dot, inner = name.partition(".")
        if equals and dot and dataclasses.is_dataclass(getattr(config, outer, None)):
            nested = changes.get(outer, getattr(config, outer))
            changes[outer] = override(
                nested, [f"{inner}={text}"], flag=f"{flag}.{outer}"
            )
            continue
        if not equals:
            raise UsageError(
                f"{flag} expects {flag}.NAME=VALUE, but got {assignment!r}."
            )
        if name not in fields:
            close = difflib.get_close_matches(name, fields, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise UsageError(
                f"{flag}: there is no parameter {name!r}.{hint} There are "
                f"{', '.join(fields)}."
            )
        try:
            changes[name] = _as(fields[name], text)
        except ValueError as error:
            kind = fields[name]
            if typing.get_origin(kind) is typing.Annotated:
                kind = typing.get_args(kind)[0]
            expected = kind.__name__ if isinstance(kind, type) else kind
            raise UsageError(
                f"{flag}.{name} expects {expected}, but got {text!r}."
            ) from error
    try:
        return dataclasses.replace(config, **changes)
    except ValueError as error:  # out of its range
        raise UsageError(f"{flag}: {error}") from error


def _as(kind: Any, text: str) -> Any:
    """A text as a value of an annotated type; ValueError if it is none."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _as(arguments[0], text)
    if origin in (typing.Union, types.UnionType):
        # Text last: whatever is a number or None is meant as that.
        for one in sorted(arguments, key=lambda one: one is str):
            try:
                return _as(one, text)
            except ValueError:
                continue
        raise ValueError(text)
    if origin is typing.Literal:
        if text in arguments:
            return text
        raise ValueError(text)
    if origin is tuple:
        # 840x1680 is a pair of numbers as well.
        separators = "[,xX]" if arguments == (int, int) else ","
        parts = [x for x in re.split(separators, text.strip("()[] ")) if x.strip()]
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(parts)
        if len(arguments) != len(parts):
            raise ValueError(text)
        return tuple(map(_as, arguments, parts))
    if kind in (None, types.NoneType):
        if text.lower() == "none":
            return None
        raise ValueError(text)
    if kind is bool:
        if text.lower() in ("true", "false", "1", "0"):
            return text.lower() in ("true", "1")
        raise ValueError(text)
    return kind(text)
