"""Naming everything that is wrong with a dataset in one message."""

from collections.abc import Sequence

from uhseg_jax.datasets.source import DatasetError

__all__ = ["NAMED", "stop_at"]

NAMED = 16  # problems that a message names; the rest are counted


def stop_at(problems: Sequence[str], *, where: object, advice: str) -> None:
    """Stops if there is any problem.

    Args:
      problems: one phrase each, with the file or name it is about.
      where: what was looked at, usually a folder.
      advice: what to do, a sentence without its full stop.

    Raises:
      DatasetError: there are problems; the message names the first 16 and counts all.
    """
    if not problems:
        return
    named = "".join(f"\n  {problem}" for problem in problems[:NAMED])
    rest = len(problems) - NAMED
    more = f"\n  and {rest} more" if rest > 0 else ""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise DatasetError(f"{where}: found {count}:{named}{more}\n{advice}.")
