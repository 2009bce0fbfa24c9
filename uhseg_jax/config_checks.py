"""Checking the fields of a frozen config, one sentence for each that is wrong.

A `Kind` says in words what a field expects and converts what is as good: numpy's
numbers to Python's, lists to tuples. So a config is hashable and equal configs compile
once.
"""

import math
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

__all__ = [
    "IMAGE_SIZE",
    "TEXT",
    "WHOLES",
    "Kind",
    "check",
    "check_fields",
    "one_of",
    "optional",
    "real",
    "whole",
]


class Kind(NamedTuple):
    """What a field may hold.

    Attributes:
      expected: in words, after "must be".
      convert: the value as it is kept; TypeError or ValueError if it is none of these.
    """

    expected: str
    convert: Callable[[Any], Any]


def check(name: str, value: Any, kind: Kind) -> Any:
    """The value as it is kept.

    Raises:
      ValueError: it is not of the kind; the message names the field.
    """
    try:
        return kind.convert(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be {kind.expected}, but is {value!r}."
        ) from error


def check_fields(config: Any, kinds: Mapping[str, Kind]) -> None:
    """Checks a frozen dataclass from its ``__post_init__``, and converts in place.

    Raises:
      ValueError: a field is not of its kind.
    """
    for name, kind in kinds.items():
        object.__setattr__(config, name, check(name, getattr(config, name), kind))


def whole(low: int, high: int | None = None) -> Kind:
    """A whole number from ``low`` to ``high``, if that is given."""

    def convert(value: Any) -> int:
        if isinstance(value, bool):
            raise TypeError
        return _require(
            operator.index(value), lambda x: low <= x and (high is None or x <= high)
        )

    bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
    return Kind(f"a whole number {bounds}", convert)


def real(expected: str, accept: Callable[[float], bool]) -> Kind:
    """A number that a predicate accepts; NaN is none."""

    def convert(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError
        return _require(float(value), lambda x: not math.isnan(x) and accept(x))

    return Kind(expected, convert)


def one_of(*choices: Any) -> Kind:
    """One of a few values."""
    *most, last = map(repr, choices)
    return Kind(
        f"{', '.join(most)} or {last}", lambda value: choices[choices.index(value)]
    )


def optional(kind: Kind) -> Kind:
    """None, or what the kind says."""
    return Kind(
        f"{kind.expected} or None",
        lambda value: None if value is None else kind.convert(value),
    )


def _require(value: Any, accept: Callable[[Any], bool]) -> Any:
    if not accept(value):
        raise ValueError
    return value


def _wholes(values: Iterable[Any]) -> tuple[int, ...]:
    return _require(tuple(map(operator.index, values)), bool)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _sides(value: Any) -> int | tuple[int, ...]:
    side = whole(1)
    if not isinstance(value, (tuple, list)):
        return side.convert(value)
    return _require(tuple(map(side.convert, value)), lambda sides: len(sides) == 2)


WHOLES = Kind("a tuple of one or more whole numbers, such as (-4, -1)", _wholes)
TEXT = Kind("a text", _text)
IMAGE_SIZE = Kind("a side or a pair (height, width) of positive whole numbers", _sides)
