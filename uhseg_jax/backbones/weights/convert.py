"""From a checkpoint's names and layouts to the parameters of our models.

A `Naming` says for each source name which parameters it fills and how: that of Vision
Transformers is made of the tables in `rename_tables`, those of others are in
`diffusion.names` and `clip.names`. Here it is checked against the module: every source
array must be used once, every parameter filled once, every shape agree; all mismatches
are counted together. That is known from names and shapes alone, so nothing is read of a
file that does not fit, and of one that does no more than the model holds. One source
array is in memory at a time: the file is never there as a whole together with the
result.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.readers.lazy import LazyArrays, Stored
from uhseg_jax.backbones.weights.rename_tables import (
    IGNORED,
    STUDENT,
    TABLES,
    TEACHER,
    WRAPPERS,
)
from uhseg_jax.backbones.weights.renames import Rename, Transform

__all__ = [
    "OWN_NAMING",
    "VIT_NAMING",
    "Naming",
    "Places",
    "Tables",
    "convert_tensors",
    "filled_shapes",
    "table_targets",
]

_MOST_SAID = 10  # mismatches that a message names


def _all_names(names: Iterable[str]) -> dict[str, str]:
    return {name: name for name in names}


@dataclasses.dataclass(frozen=True)
class Naming:
    """How published checkpoints name the arrays of a kind of model.

    Attributes:
      targets: of a name, the paths of the parameters that its array fills, how each is
        laid out, and whether a model may lack it; empty for a name that has no place.
      ignored: whether a name is of something that our models leave out.
      chosen: of all names in a checkpoint, those of the network that counts, and what
        ``targets`` and ``ignored`` know each as.
    """

    targets: Callable[[str], list[tuple[str, Transform, bool]]]
    ignored: Callable[[str], bool]
    chosen: Callable[[Iterable[str]], dict[str, str]] = _all_names


# Tables, each with what stands before its names.
Tables = tuple[tuple[str, tuple[Rename, ...]], ...]


@functools.cache
def _patterns(tables: Tables) -> tuple[tuple[re.Pattern[str], Rename], ...]:
    """The lines of all tables, compiled."""
    return tuple(
        (re.compile(prefix + rename.source), rename)
        for prefix, table in tables
        for rename in table
    )


@functools.cache
def _ignored_names() -> re.Pattern[str]:
    return re.compile("|".join(IGNORED))


def _is_ignored(name: str) -> bool:
    return _ignored_names().fullmatch(name) is not None


def table_targets(
    name: str, tables: Tables = TABLES
) -> list[tuple[str, Transform, bool]]:
    """The paths that an array fills, how, and whether a model may lack each."""
    for pattern, rename in _patterns(tables):
        match = pattern.fullmatch(name)
        if match:
            groups = [int(group) for group in match.groups()]
            return [
                (path.format(*groups), make, path in rename.optional)
                for path, make in rename.targets
            ]
    return []


def _chosen_names(names: Iterable[str]) -> dict[str, str]:
    """Without what wraps modules in training; of two networks the teacher alone."""
    plain = {name: re.sub(WRAPPERS, "", name) for name in names}
    if any(re.match(TEACHER, known) for known in plain.values()):
        return {x: known for x, known in plain.items() if not re.match(STUDENT, known)}
    return plain


VIT_NAMING = Naming(targets=table_targets, ignored=_is_ignored, chosen=_chosen_names)
OWN_NAMING = Naming(
    targets=lambda name: [(name, np.asarray, False)], ignored=lambda name: False
)


def filled_shapes(
    arrays: LazyArrays, *, naming: Naming = VIT_NAMING
) -> dict[str, tuple[int, ...]]:
    """The shapes of the parameters that arrays would fill; nothing is read.

    Args:
      arrays: of a checkpoint.
      naming: how the checkpoint names its arrays.

    Returns:
      Shapes by the paths of parameters; what cannot be laid out is left out.
    """
    shapes = {}
    for name, known in naming.chosen(arrays).items():
        for path, transform, _ in naming.targets(known):
            shape = _laid_out(arrays.stored[name], transform)
            if shape is not None:
                shapes[path] = shape
    return shapes


def convert_tensors(
    tensors: LazyArrays | Mapping[str, np.ndarray],
    abstract: Mapping[str, Any],
    *,
    naming: Naming = VIT_NAMING,
) -> dict[str, Any]:
    """Renames and lays out the arrays of a checkpoint.

    Args:
      tensors: arrays by the checkpoint's names. Of those that are read on access, each
        is read once, and those that no backbone needs are not.
      abstract: the parameter tree to fill, as shapes (`backbone.Family`).
      naming: how the checkpoint names its arrays.

    Returns:
      float32 parameters, in the structure of ``abstract``.

    Raises:
      WeightsError: a source array has no place or an ill-fitting one, a parameter has
        no source or several, all cases counted in one message and nothing read; or
        values are not finite.
    """
    if not isinstance(tensors, LazyArrays):
        stored = {name: Stored.of(np.asarray(array)) for name, array in tensors.items()}
        tensors = LazyArrays(Path(), stored)
    wanted = flax.traverse_util.flatten_dict(abstract, sep="/")
    plan, problems = _plan(tensors, wanted, naming)
    _require_none(problems)
    filled: dict[str, np.ndarray] = {}
    for name, places in plan.items():
        problems += _fill(name, tensors[name], places, wanted, filled)
    _require_none(problems)
    return flax.traverse_util.unflatten_dict(filled, sep="/")


Places = list[tuple[str, Transform]]


def _plan(
    arrays: LazyArrays, wanted: Mapping[str, Any], naming: Naming
) -> tuple[dict[str, Places], list[str]]:
    """Which parameters each array fills, and what is wrong with that."""
    plan: dict[str, Places] = {}
    filled_by: dict[str, str] = {}
    problems: list[str] = []
    for name, known in naming.chosen(arrays).items():
        if naming.ignored(known):
            continue
        said, stored, places = name[:200], arrays.stored[name], []
        targets = naming.targets(known)
        if not targets:
            problems.append(f"{said} {_sizes(stored.shape)} has no place in the model")
        for path, transform, optional in targets:
            if path not in wanted:
                if not optional:
                    problems.append(f"{said} would fill {path}, which the model lacks")
            elif path in filled_by:
                problems.append(f"{said} and {filled_by[path]} both fill {path}")
            else:
                filled_by[path] = said
                problem = _misfit(stored, transform, wanted[path].shape)
                if problem:
                    problems.append(f"{said} for {path}: {problem}")
                places.append((path, transform))
        plan[name] = places
    problems += [
        f"{path} {_sizes(wanted[path].shape)} has no source"
        for path in wanted
        if path not in filled_by
    ]
    return {name: places for name, places in plan.items() if places}, problems


def _misfit(stored: Stored, transform: Transform, shape: tuple[int, ...]) -> str:
    """What is wrong with an array for a parameter; empty if nothing."""
    if not jnp.issubdtype(stored.dtype, jnp.floating):
        return f"expected floating point numbers, found {stored.dtype}"
    found = _laid_out(stored, transform)
    if found is None:
        return f"shape {_sizes(stored.shape)} cannot be laid out as {_sizes(shape)}"
    if found != shape:
        return f"expected shape {_sizes(shape)}, found {_sizes(found)}"
    return ""


def _laid_out(stored: Stored, transform: Transform) -> tuple[int, ...] | None:
    """The shape that an array is given, found on one that takes no memory."""
    try:
        return transform(np.broadcast_to(np.zeros((), np.float32), stored.shape)).shape
    except (ValueError, IndexError):
        return None


def _sizes(shape: tuple[int, ...]) -> str:
    return str(list(shape[:8]))


def _fill(
    name: str,
    array: np.ndarray,
    places: Places,
    wanted: Mapping[str, Any],
    filled: dict[str, np.ndarray],
) -> list[str]:
    """Fills what one source array fills; returns what is wrong with its values.

    A function of its own, so that the array is let go before the next is read.
    """
    problems = []
    for path, transform in places:
        # A copy, never a view: the source can be dropped, and with it the file it maps.
        value = np.array(transform(array), np.float32, order="C")
        if value.shape != wanted[path].shape:
            problems.append(f"{name[:200]} for {path}: its shape has changed")
        elif not np.isfinite(value).all():
            problems.append(
                f"{name[:200]} for {path}: it holds values that are not finite"
            )
        filled[path] = value
    return problems


def _require_none(problems: list[str]) -> None:
    """Raises WeightsError with the first problems and the number of the others."""
    if not problems:
        return
    said = problems[:_MOST_SAID]
    if len(problems) > len(said):
        said.append(f"and {len(problems) - len(said)} others")
    raise WeightsError(
        f"The weights do not fit the model ({len(problems)} mismatches; is it "
        "another model's file?):\n  " + "\n  ".join(said)
    )
