"""Which of two evaluations is better, and whether that is more than chance."""

import dataclasses
import math

from uhseg_jax.comparison.groups import Group
from uhseg_jax.comparison.images import Wins, wins
from uhseg_jax.comparison.reading import Evaluated
from uhseg_jax.comparison.scores import HEADLINES, SHOWN, is_less_better, is_size
from uhseg_jax.comparison.statistics import Estimate
from uhseg_jax.comparison.tables import Row, rows_of

__all__ = ["Finding", "Verdict", "headlines", "verdict_on"]

_MOST = 6  # scores that decide


@dataclasses.dataclass(frozen=True)
class Finding:
    """A score of which one of two evaluations has more.

    Attributes:
      key: of the score.
      above: by how much the second is above the first.
    """

    key: str
    above: Estimate

    @property
    def gain(self) -> float:
        """By how much the second is better."""
        return -self.above.value if is_less_better(self.key) else self.above.value

    @property
    def is_better(self) -> bool:
        """Whether the second is better, and that is more than chance."""
        return self.above.is_clear and self.gain > 0

    @property
    def is_worse(self) -> bool:
        """Whether the first is better, and that is more than chance."""
        return self.above.is_clear and self.gain < 0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What an evaluation is, beside the first of its group.

    Attributes:
      one: the evaluation.
      findings: one for each of the main scores that both have.
      wins: on how many images it is better.
    """

    one: Evaluated
    findings: tuple[Finding, ...]
    wins: Wins

    @property
    def lead(self) -> Finding | None:
        """The first of those that are more than chance, or else the first of all."""
        clear = [x for x in self.findings if x.above.is_clear]
        return next(iter([*clear, *self.findings]), None)

    @property
    def words(self) -> str:
        """What it is, up to the name of the first, as in "better than"."""
        total = len(self.findings)
        counts = {
            "better": sum(x.is_better for x in self.findings),
            "worse": sum(x.is_worse for x in self.findings),
        }
        said = [
            word if count == total else f"{word} in {count} of {total} main scores"
            for word, count in counts.items()
            if count
        ]
        return f"{' and '.join(said)} than" if said else "not clearly different from"


def headlines(group: Group) -> list[Row]:
    """The main scores of a group: at most six, at least one if there is any."""
    rows = rows_of(group, HEADLINES) or rows_of(group, SHOWN)
    if not rows:
        keys = [x for x in group.first.scores if not is_size(x)]
        rows = rows_of(group, keys)
    known = (x for x in rows if any(_is_known(cell.score) for cell in x.cells))
    return list(known)[:_MOST]


def verdict_on(group: Group, number: int, rows: list[Row]) -> Verdict:
    """The verdict on one of the others.

    Args:
      group: what is compared.
      number: which of `Group.others`.
      rows: the main scores.
    """
    one = group.others[number]
    found = ((row.key, row.cells[number + 1].above) for row in rows)
    return Verdict(
        one,
        tuple(Finding(key, x) for key, x in found if x is not None and _is_known(x)),
        wins(group.first.ranking(), one.ranking()),
    )


def _is_known(found: Estimate | None) -> bool:
    return found is not None and not math.isnan(found.value)
