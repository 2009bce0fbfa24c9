"""Curves of scores that are more than a number: precision against recall."""

import dataclasses

__all__ = ["Curve"]


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points of a curve of a whole set, in their order along it.

    Attributes:
      x: where the points lie; NaN, or nothing at all, where nothing was scored.
      y: their values, as many.
      x_name: what ``x`` is, in words.
      y_name: what ``y`` is.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    x_name: str
    y_name: str
