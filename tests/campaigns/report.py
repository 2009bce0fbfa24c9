"""What a campaign is told, and the line of figures that it prints."""

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from tests.campaigns.children import Ending

__all__ = ["Report", "arguments", "finish"]

_SHOWN = 40  # falls that are printed in full


def arguments(
    description: str | None,
    *,
    minutes: float,
    names: Iterable[str] = (),
    **others: int,
) -> argparse.Namespace:
    """Reads the command line of a campaign.

    Args:
      description: what the campaign does.
      minutes: after which it begins nothing new, by default.
      names: parts of the campaign that can be named; all of them by default.
      others: further whole numbers, with their defaults.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--work", type=Path, help="where the sandbox is made")
    parser.add_argument("--compiled", type=Path, help="compiled programs to keep")
    for name, default in others.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    names = list(names)
    if names:
        parser.add_argument("names", nargs="*", metavar="NAME", choices=[*names, []])
    given = parser.parse_args()
    given.names = getattr(given, "names", None) or names
    return given


@dataclasses.dataclass
class Report:
    """The figures of a campaign.

    Attributes:
      name: of the campaign.
      minutes: after which nothing new begins.
      seed: of what is drawn at random.
      tried: cases so far.
      falls: what went wrong, a sentence each.
      peak: bytes of memory of the largest run.
      notes: further figures.
    """

    name: str
    minutes: float
    seed: int
    tried: int = 0
    falls: list[str] = dataclasses.field(default_factory=list)
    peak: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)
    _fallen: int = 0
    _seconds: float = 0.0
    _began: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def has_time(self) -> bool:
        """Whether something new may begin."""
        return time.monotonic() - self._began < 60 * self.minutes

    def saw(self, ending: Ending) -> Ending:
        """Takes the memory of a run into account."""
        self.peak = max(self.peak, ending.peak)
        return ending

    def add(self, case: str, faults: list[str], *, count: int = 1) -> None:
        """Adds cases, which fell if there are faults.

        Args:
          case: what was tried.
          faults: what was wrong.
          count: of cases that these faults belong to.
        """
        self.tried += count
        self._fallen += count if faults else 0
        for fault in dict.fromkeys(faults):
            self.falls.append(f"{case}: {fault}")
            if len(self.falls) <= _SHOWN:
                print(f"fell: {self.name}: {self.falls[-1]}", flush=True)

    def end(self) -> "Report":
        """Stops the clock."""
        self._seconds = time.monotonic() - self._began
        return self

    def line(self) -> str:
        """The figures in one line."""
        figures = [
            f"tried {self.tried}",
            f"survived {self.tried - self._fallen}",
            f"peak {self.peak / 1e9:.2f} GB",
            f"{self._seconds:.0f} s",
            *self.notes,
        ]
        return f"{self.name} (seed {self.seed}): {', '.join(figures)}"


def finish(*reports: Report) -> NoReturn:
    """Prints the lines and ends the campaign; exit status 1 if anything fell."""
    for report in reports:
        more = len(report.falls) - _SHOWN
        print(report.line(), f"(and {more} more fell)" * (more > 0), flush=True)
    sys.exit(1 if any(report.falls for report in reports) else 0)
