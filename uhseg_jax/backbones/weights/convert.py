"""From a checkpoint's names and layouts to the parameters of our models.

A `Naming` says for each source name which parameters it fills and how: that of Vision
Transformers is made of the tables in `rename_tables`, that of diffusion models is in
`diffusion.names`. Here it is checked against the module: every source array must be
used once, every parameter filled once, every shape agree; all mismatches are raised
together. One source array is in memory at a time, so a checkpoint that is read lazily
is never there as a whole together with the result.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.traverse_util
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.rename_tables import IGNORED, TABLES, Rename, Transform


@dataclasses.dataclass(frozen=True)
class Naming:
    """How published checkpoints name the arrays of a kind of model.

    Attributes:
      targets: of a name, the paths of the parameters that its array fills, how each is
        laid out, and whether a model may lack it; empty for a name that has no place.
      ignored: whether a name is of something that our models leave out.
    """

    targets: Callable[[str], list[tuple[str, Transform, bool]]]
    ignored: Callable[[str], bool]


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], Rename], ...]:
    """The lines of all tables, compiled."""
    return tuple(
        (re.compile(prefix + rename.source), rename)
        for prefix, table in TABLES
        for rename in table
    )


@functools.cache
def _ignored_names() -> re.Pattern[str]:
    return re.compile("|".join(IGNORED))


def _is_ignored(name: str) -> bool:
    return _ignored_names().fullmatch(name) is not None


def _targets_of(name: str) -> list[tuple[str, Transform, bool]]:
    """The paths that an array fills, how, and whether a model may lack each."""
    for pattern, rename in _patterns():
        match = pattern.fullmatch(name)
        if match:
            groups = [int(group) for group in match.groups()]
            return [
                (path.format(*groups), make, path in rename.optional)
                for path, make in rename.targets
            ]
    return []


VIT_NAMING = Naming(targets=_targets_of, ignored=_is_ignored)


def convert_tensors(
    tensors: Mapping[str, np.ndarray],
    abstract: Mapping[str, Any],
    *,
    naming: Naming = VIT_NAMING,
) -> dict[str, Any]:
    """Renames and lays out the arrays of a checkpoint.

    Args:
      tensors: arrays by the checkpoint's names. It may read each on access: each is
        read once, and those that no backbone needs are not.
      abstract: the parameter tree to fill, as shapes (`backbone.Family`).
      naming: how the checkpoint names its arrays.

    Returns:
      float32 parameters, in the structure of ``abstract``.

    Raises:
      WeightsError: a source array has no place or an ill-fitting one, a parameter has
        no source or several, a value is not finite; all cases in one message.
    """
    wanted = flax.traverse_util.flatten_dict(abstract, sep="/")
    filled: dict[str, np.ndarray] = {}
    filled_by: dict[str, str] = {}
    problems: list[str] = []
    for name in tensors:
        if not naming.ignored(name):
            targets = naming.targets(name)
            problems += _place(name, tensors[name], targets, wanted, filled, filled_by)
    problems += [
        f"{path} {list(wanted[path].shape)} has no source"
        for path in wanted
        if path not in filled_by
    ]
    if problems:
        raise WeightsError(
            f"The weights do not fit the model ({len(problems)} mismatches; is it "
            "another model's file?):\n  " + "\n  ".join(problems)
        )
    return flax.traverse_util.unflatten_dict(filled, sep="/")


def _place(
    name: str,
    array: np.ndarray,
    targets: list[tuple[str, Transform, bool]],
    wanted: Mapping[str, Any],
    filled: dict[str, np.ndarray],
    filled_by: dict[str, str],
) -> list[str]:
    """Fills what one source array fills; returns what is wrong with that.

    A function of its own, so that the array is let go before the next is read.
    """
    problems = []
    if not targets:
        problems.append(f"{name} {list(array.shape)} has no place in the model")
    for path, transform, optional in targets:
        if path not in wanted:
            if not optional:
                problems.append(f"{name} would fill {path}, which the model lacks")
            continue
        if path in filled_by:
            problems.append(f"{name} and {filled_by[path]} both fill {path}")
            continue
        filled_by[path] = name
        filled[path], problem = _fit(array, transform, wanted[path].shape)
        if problem:
            problems.append(f"{name} for {path}: {problem}")
    return problems


def _fit(
    array: np.ndarray, transform: Transform, shape: tuple[int, ...]
) -> tuple[np.ndarray, str | None]:
    """The transformed array, and what is wrong with it."""
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return array, f"expected floating point numbers, found {array.dtype}"
    try:
        value = transform(array)
    except (ValueError, IndexError):
        return array, f"shape {list(array.shape)} cannot be laid out as {list(shape)}"
    if value.shape != shape:
        return value, f"expected shape {list(shape)}, found {list(value.shape)}"
    # A copy, never a view: the source can be dropped, and with it the file it maps.
    value = np.array(value, np.float32, order="C")
    if not np.isfinite(value).all():
        return value, "it holds values that are not finite"
    return value, None
