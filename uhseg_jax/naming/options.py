"""What regions may be called, and how that is decided; no model is needed here."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Annotated

from uhseg_jax.validators import (
    POSITIVE,
    SHARE,
    SIDES,
    Validated,
    Validator,
    optional,
)

__all__ = ["DEFAULT_MODEL", "OTHERS", "TEMPLATES", "NamingOptions", "parse_labels"]

DEFAULT_MODEL = "clip_vitb16"
"""The CLIP that is used where none is named."""

TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a photo of {}.",
    "a close-up photo of a {}.",
    "a photo of a small {}.",
    "a photo of a large {}.",
    "there is a {} in the photo.",
)
"""Texts around a label, which is the mean over them.

They speak of single things and of stuff, near and far, since regions are all of that.
"""

OTHERS = ("background", "something")
"""What a region may fit better than every label."""

_NAMELESS = "region"  # what formats call regions without a name
_MOST = 10_000


def parse_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels without white space around them.

    Args:
      labels: texts, or one text that separates them by commas.

    Raises:
      ValueError: one is empty, longer than 200 characters or there twice, or is
        "region", which is what regions without a name are called.
    """
    if isinstance(labels, str):
        labels = labels.split(",")
    labels = tuple(" ".join(label.split()) for label in labels)
    if not labels or not all(labels):
        raise ValueError(
            "expected labels such as dog, grass, sky, but one of them is empty."
        )
    known: set[str] = set()
    for label in labels:
        if len(label) > 200 or not label.isprintable():
            raise ValueError(
                f"expected labels of at most 200 printable characters, but got "
                f"{label[:40]!r}."
            )
        if label.casefold() == _NAMELESS:
            raise ValueError(
                f"expected another label than {label!r}, which is what regions without "
                "a name are called."
            )
        if label.casefold() in known:
            raise ValueError(
                f"expected every label once, but {label!r} is there twice."
            )
        known.add(label.casefold())
    if len(labels) > _MOST:
        raise ValueError(f"expected at most {_MOST:,} labels, but got {len(labels):,}.")
    return labels


def _texts(values: Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(x, str) for x in values):
        raise ValueError
    return tuple(values)


def _templates(values: Sequence[str]) -> tuple[str, ...]:
    texts = _texts(values)
    if not texts or not all(x.count("{}") == 1 for x in texts):
        raise ValueError
    return texts


@dataclasses.dataclass(frozen=True)
class NamingOptions(Validated):
    """How regions are named.

    Attributes:
      labels: what regions may be called (`parse_labels`).
      templates: texts with {} for a label, of which the mean counts.
      others: texts for what has no label; those that are labels too do not count.
      temperature: by which cosine similarities are divided; None: that of the model's
        training, some 0.01.
      threshold: probability below which a region has no name.
      grid: patches along a side of the resized image, or (rows, columns); None: so many
        that its sides are twice those of the model's training.
    """

    labels: tuple[str, ...]
    templates: Annotated[
        tuple[str, ...], Validator("texts with one {} in each", _templates)
    ] = TEMPLATES
    others: Annotated[tuple[str, ...], Validator("a tuple of texts", _texts)] = OTHERS
    temperature: Annotated[float | None, optional(POSITIVE)] = None
    threshold: Annotated[float, SHARE] = 0.5
    grid: Annotated[int | tuple[int, int] | None, optional(SIDES)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", parse_labels(self.labels))

    @property
    def texts(self) -> list[list[str]]:
        """Of every label and then of every other its texts."""
        labels = {label.casefold() for label in self.labels}
        others = [x for x in self.others if x.casefold() not in labels]
        return [
            [template.replace("{}", label) for template in self.templates]
            for label in (*self.labels, *others)
        ]
