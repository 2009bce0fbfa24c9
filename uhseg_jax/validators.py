"""What the fields of a frozen config may hold, stated once, in their annotations.

    @dataclasses.dataclass(frozen=True)
    class Config(Validated):
        num_clusters: Annotated[int, integer(1)] = 3

A `Validator` says in words what a field expects and converts what is as good: numpy's
numbers to Python's, lists to tuples. So a config is hashable and equal configs compile
once.
"""

import functools
import math
import numbers
import operator
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

__all__ = [
    "INTEGERS",
    "NON_NEGATIVE",
    "POSITIVE",
    "SEED",
    "SHARE",
    "SIDES",
    "TEXT",
    "Validated",
    "Validator",
    "check",
    "integer",
    "one_of",
    "optional",
    "real",
]


class Validator(NamedTuple):
    """What a field may hold.

    Attributes:
      expected: the words that follow "must be" in messages.
      convert: the value as it is kept; TypeError or ValueError if it is none of these.
    """

    expected: str
    convert: Callable[[Any], Any]


class Validated:
    """A frozen dataclass whose annotated fields are checked when it is made.

    Raises:
      ValueError: a field is not what its validator expects; the message names it.
    """

    def __post_init__(self) -> None:
        cls: Any = type(self)
        for name, validator in _validators(cls).items():
            object.__setattr__(self, name, check(name, getattr(self, name), validator))


@functools.cache
def _validators(cls: Any) -> Mapping[str, Validator]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        name: extra
        for name, hint in hints.items()
        for extra in getattr(hint, "__metadata__", ())
        if isinstance(extra, Validator)
    }


def check(name: str, value: Any, validator: Validator) -> Any:
    """The value as it is kept.

    Raises:
      ValueError: it is not what the validator expects; the message names the field.
    """
    try:
        return validator.convert(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{name} must be {validator.expected}, but is {value!r}."
        ) from error


def integer(low: int, high: int | None = None) -> Validator:
    """An integer from ``low`` to ``high``, if that is given."""

    def convert(value: Any) -> int:
        if isinstance(value, bool):
            raise TypeError
        return _require(
            operator.index(value), lambda x: low <= x and (high is None or x <= high)
        )

    bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
    return Validator(f"an integer {bounds}", convert)


def real(expected: str, accept: Callable[[float], bool]) -> Validator:
    """A number that a predicate accepts; NaN is none."""

    def convert(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError
        return _require(float(value), lambda x: not math.isnan(x) and accept(x))

    return Validator(expected, convert)


def one_of(*choices: Any) -> Validator:
    """One of a few values."""
    *most, last = map(repr, choices)
    expected = f"{', '.join(most)} or {last}" if most else last
    return Validator(expected, lambda value: choices[choices.index(value)])


def optional(validator: Validator) -> Validator:
    """None, or what the validator expects."""
    return Validator(
        f"{validator.expected} or None",
        lambda value: None if value is None else validator.convert(value),
    )


def _require(value: Any, accept: Callable[[Any], bool]) -> Any:
    if not accept(value):
        raise ValueError
    return value


def _integers(values: Iterable[Any]) -> tuple[int, ...]:
    return _require(tuple(map(operator.index, values)), bool)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _sides(value: Any) -> int | tuple[int, ...]:
    side = integer(1)
    if not isinstance(value, (tuple, list)):
        return side.convert(value)
    return _require(tuple(map(side.convert, value)), lambda sides: len(sides) == 2)


INTEGERS = Validator("a tuple of one or more integers, such as (-4, -1)", _integers)
"""One or more integers."""

TEXT = Validator("a text", _text)
"""A text."""

SIDES = Validator("a side or a pair (height, width) of positive integers", _sides)
"""A side or a pair of them."""

SEED = integer(0, 2**32 - 1)
"""A seed of random numbers."""

POSITIVE = real("a finite number above 0", lambda x: 0 < x < math.inf)
"""A finite number above 0."""

NON_NEGATIVE = real("a number of at least 0", lambda x: x >= 0)
"""A number of at least 0."""

SHARE = real("a share from 0 to 1", lambda x: 0 <= x <= 1)
"""A share from 0 to 1."""
