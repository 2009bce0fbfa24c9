"""What a cut is asked for: one criterion, as a number that compiled cuts can hold."""

from typing import Any

import jax
import numpy as np

__all__ = ["resolve_criterion"]

_MAX_COST = float(np.finfo(np.float32).max)


def resolve_criterion(
    caller: str, criteria: dict[str, Any], *, num_nodes: int
) -> tuple[str, Any]:
    """The one criterion given, and its value.

    Args:
      caller: name of the method, for messages.
      criteria: values of ``num_regions``, ``depth`` and ``cost``; None if not given.
      num_nodes: length of the tree's arrays; more regions or levels there are not.

    Returns:
      Its name and its value, a Python number no larger than can make a difference; a
      traced value as it is.

    Raises:
      ValueError: not exactly one is given, or it is no number in its range.
    """
    given = {kind: x for kind, x in criteria.items() if x is not None}
    if len(given) != 1:
        raise ValueError(
            f"{caller} takes exactly one of num_regions, depth and cost, but got "
            f"{' and '.join(given) or 'none'}; for example "
            f"tree.{caller}(num_regions=8)."
        )
    ((kind, value),) = given.items()
    if isinstance(value, jax.core.Tracer):
        return kind, value
    number = np.asarray(value).item() if np.ndim(value) == 0 else value
    if not isinstance(number, (int, float)):
        raise ValueError(f"{kind} must be a number, but is {value!r}.")
    lowest = 1 if kind == "num_regions" else 0
    if not number >= lowest:
        raise ValueError(f"{kind} must be at least {lowest}, but is {value}.")
    if kind == "cost":
        return kind, float(min(number, _MAX_COST))
    return kind, min(number, num_nodes)
