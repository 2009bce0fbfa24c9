"""What a section measured, as a record that can be printed and written down."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from uhseg_jax.benchmarks.timing import Timing, paired_ratio

__all__ = ["Figure", "Record", "table"]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure that has an aim, or that says more than the seconds it came from.

    Attributes:
      of: what it is of: a contender.
      value: seconds, or a quotient.
      to: the anchor that the contender's seconds are divided by; empty for seconds.
      aim: what it should not exceed; None where there is no aim.
    """

    of: str
    value: float
    to: str = ""
    aim: float | None = None

    @classmethod
    def ratio(
        cls,
        timings: Mapping[str, Timing],
        of: str,
        to: str,
        aim: float | None = None,
    ) -> "Figure":
        """Of two contenders which took turns."""
        return cls(of, paired_ratio(timings[of], timings[to]), to, aim)

    def __str__(self) -> str:
        text = f"{self.of} / {self.to}: " if self.to else f"{self.of}, s: "
        text += f"{self.value:.3f}"
        if self.aim is None:
            return text
        return f"{text} (aim {self.aim:g}, {'met' if self.is_met else 'missed'})"

    @property
    def is_met(self) -> bool:
        """Whether the aim is met; True where there is none."""
        return self.aim is None or self.value <= self.aim


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What one section measured.

    Attributes:
      timings: of contenders that took turns.
      figures: ratios of contenders to their anchors, and what has an aim.
      facts: whatever else was found, JSON-ready: counts, memory, errors, scores.
      notes: sentences, such as on anchors that are not installed.
    """

    timings: Mapping[str, Timing] = dataclasses.field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "timings": {name: x.to_dict() for name, x in self.timings.items()},
            "figures": [dataclasses.asdict(x) for x in self.figures],
            "facts": dict(self.facts),
            "notes": list(self.notes),
        }


def table(title: str, record: Record) -> str:
    """The record as text, with a line for every contender, figure and fact."""
    return "\n".join(_lines(title, record))


def _lines(title: str, record: Record) -> Iterator[str]:
    width = max(36, *(len(x) + 2 for x in record.timings)) if record.timings else 36
    yield f"\n{title:<{width}}" + (
        f"{'median s':>10}{'min s':>10}" if record.timings else ""
    )
    for name, found in record.timings.items():
        yield f"  {name:<{width - 2}}{found.median:>10.3f}{min(found.seconds):>10.3f}"
    yield from (f"  {figure}" for figure in record.figures)
    for name, value in record.facts.items():
        yield from _fact(name, value, indent=2)
    yield from (f"  {note}" for note in record.notes)


def _fact(name: str, value: Any, *, indent: int) -> Iterator[str]:
    margin = " " * indent
    if isinstance(value, Mapping) and any(
        isinstance(x, Mapping) for x in value.values()
    ):
        yield f"{margin}{name}:"
        for inner, found in value.items():
            yield from _fact(str(inner), found, indent=indent + 2)
    else:
        yield f"{margin}{name}: {_shown(value)}"


def _shown(value: Any) -> str:
    match value:
        case Mapping():
            return "; ".join(f"{name} {_shown(x)}" for name, x in value.items())
        case list() | tuple():
            return ", ".join(map(_shown, value))
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)
