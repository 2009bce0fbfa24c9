"""Which evaluations may be compared, and what they are called."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from uhseg_jax.comparison.reading import Evaluated
from uhseg_jax.runs.record import RunError

__all__ = ["Group", "group", "labels_of"]

_NAMED = 5  # images that a message names; the rest are counted
# Fields of the scoring by which evaluations have the same scores all the same.
_HARMLESS = ("boundaries", "num_seeds")


@dataclasses.dataclass(frozen=True)
class Group:
    """Evaluations of the same images by the same protocol.

    Attributes:
      members: the evaluations; differences are to the first.
    """

    members: tuple[Evaluated, ...]

    @property
    def first(self) -> Evaluated:
        """What the others are compared with."""
        return self.members[0]

    @property
    def others(self) -> tuple[Evaluated, ...]:
        """What is compared with the first."""
        return self.members[1:]

    @property
    def num_images(self) -> int:
        """How many images count."""
        return int(self.first.scores.get("images", len(self.first.images)))

    @property
    def title(self) -> str:
        """The dataset and how many of its images count."""
        count = self.num_images
        return f"{self.first.dataset}, {count} image{'' if count == 1 else 's'}"


def group(
    evaluations: Sequence[Evaluated], labels: Sequence[str] | None = None
) -> list[Group]:
    """The evaluations of each dataset, in the order given, with their labels.

    Args:
      evaluations: of one dataset or several.
      labels: what to call them; None for the last parts of their folders' paths.

    Raises:
      RunError: evaluations of one dataset are of other images, of other ground truth,
        by another protocol, the same twice, or called the same.
    """
    by_dataset: dict[str, list[int]] = {}
    for index, one in enumerate(evaluations):
        by_dataset.setdefault(one.dataset, []).append(index)
    groups = []
    for indices in by_dataset.values():
        members = [evaluations[i] for i in indices]
        folders = [x.folder for x in members]
        called = [labels[i] for i in indices] if labels else labels_of(folders)
        _require_distinct(folders, called)
        for one in members[1:]:
            _require_same(members[0], one)
        named = zip(members, called, strict=True)
        groups.append(
            Group(tuple(dataclasses.replace(x, label=label) for x, label in named))
        )
    return groups


def labels_of(folders: Sequence[Path]) -> list[str]:
    """The last parts of paths, as many as it takes to tell them from each other."""
    parts = [Path(os.path.abspath(x)).parts for x in folders]
    longest = max(map(len, parts))
    found = ["/".join(x[-1:]) for x in parts]
    for count in range(2, longest + 1):
        again = {x for x in found if found.count(x) > 1}
        found = [
            "/".join(x[-count:]) if label in again else label
            for x, label in zip(parts, found, strict=True)
        ]
    return found


def _require_distinct(folders: Sequence[Path], labels: Sequence[str]) -> None:
    resolved = [x.resolve() for x in folders]
    for index, folder in enumerate(resolved):
        if folder in resolved[:index]:
            raise RunError(
                f"{folders[index]}: expected each evaluation once, but the folder is "
                "named twice; leave one out."
            )
    for index, label in enumerate(labels):
        if label in labels[:index]:
            raise RunError(
                f"expected a label of its own for each evaluation of a dataset, but "
                f"two are called {label!r}; give others with --labels."
            )


def _require_same(first: Evaluated, other: Evaluated) -> None:
    """Raises unless scores of both are of the same images and of the same kind."""
    difference = _of_scoring(first, other) or _of_images(first, other)
    if difference:
        raise RunError(
            f"{other.folder}: expected an evaluation that can be compared with "
            f"{first.folder}, of the same images of {first.dataset}, ground truth and "
            f"protocol, but {difference}; compare them in calls of their own, or "
            "score both alike."
        )
    if not first.resampled.draws_as(other.resampled):
        raise RunError(
            f"{other.folder}: its resampled scores are not of the images drawn for "
            f"{first.folder}; run the commands of both again with this version."
        )


def _of_scoring(first: Evaluated, other: Evaluated) -> str:
    theirs, ours = (dict(x.settings.get("scoring") or {}) for x in (first, other))
    said = [
        f"its {name} is {json.dumps(ours.get(name))} and that of the other "
        f"{json.dumps(theirs.get(name))}"
        for name in {**theirs, **ours}
        if name not in _HARMLESS and ours.get(name) != theirs.get(name)
    ]
    return "; ".join(said)


def _of_images(first: Evaluated, other: Evaluated) -> str:
    ours, theirs = set(first.images), set(other.images)
    lacking = [x for x in first.images if x not in theirs]
    further = [x for x in other.images if x not in ours]
    said = [f"it lacks {_named(lacking)}"] if lacking else []
    said += [f"it has {_named(further)}, which the other lacks"] if further else []
    if said:
        return " and ".join(said)
    if first.images != other.images:
        return "it has the same images in another order"
    if first.settings.get("taxonomy") != other.settings.get("taxonomy"):
        return "its classes (the taxonomy) are others"
    if first.settings.get("fingerprint") != other.settings.get("fingerprint"):
        return (
            "of the same names, images or masks have other bytes there, among "
            f"{_named(first.images)}"
        )
    return ""


def _named(names: Sequence[str]) -> str:
    """How many images these are, and which."""
    listed = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} image{'' if len(names) == 1 else 's'} ({listed}{more})"
