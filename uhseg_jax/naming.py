"""Names for regions: which of some labels each fits best, as a CLIP sees it.

The vectors of an image's patches (`backbones.clip.vectors`) are averaged over every
region, and compared with those of the labels: cosine similarities over a temperature,
and a softmax over the labels. Among them stand texts for what has no label, such as
"background": a region that one of these fits best has no name, nor has one whose best
label has a probability below the threshold. Names never change a tree.
"""

import dataclasses
import functools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from uhseg_jax import backbones
from uhseg_jax.cache import checkpoint_directory
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import ImageLike, read_image
from uhseg_jax.types import Float, Int, Pixels
from uhseg_jax.validators import (
    POSITIVE,
    SHARE,
    SIDES,
    Validated,
    Validator,
    optional,
)

__all__ = [
    "DEFAULT_MODEL",
    "NO_NAME",
    "OTHERS",
    "TEMPLATES",
    "Namer",
    "NamingOptions",
    "RegionNames",
    "name_regions",
    "parse_labels",
]

DEFAULT_MODEL = "clip_vitb16"
NO_NAME = -1

# A label is the mean over these texts. They speak of single things and of stuff, near
# and far, since regions are all of that.
TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a photo of {}.",
    "a close-up photo of a {}.",
    "a photo of a small {}.",
    "a photo of a large {}.",
    "there is a {} in the photo.",
)
# What a region may fit better than every label.
OTHERS = ("background", "something")

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


@dataclasses.dataclass(frozen=True)
class RegionNames:
    """What the nodes of a tree are called.

    Attributes:
      labels: what they could be called.
      indices: of every node the label, -1 where it has no name.
      probabilities: of every node and label. What a row lacks to one is the probability
        that no label fits.
    """

    labels: tuple[str, ...]
    indices: Int[np.ndarray, " n"]
    probabilities: Float[np.ndarray, "n k"]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, node: int) -> str | None:
        """The name of a node; None where it has none."""
        index = int(self.indices[node])
        return None if index == NO_NAME else self.labels[index]

    def nodes(self, label: str) -> Int[np.ndarray, " m"]:
        """The nodes of a name.

        Raises:
          ValueError: it is none of the labels.
        """
        if label not in self.labels:
            raise ValueError(
                f"unknown label {label!r}; expected one of {', '.join(self.labels)}."
            )
        return np.flatnonzero(self.indices == self.labels.index(label))


@dataclasses.dataclass(frozen=True)
class Namer:
    """A CLIP bound to labels, for many images.

    Attributes:
      clip: the model with its weights.
      options: how regions are named.
      vectors: of every text that regions are compared with, of unit length.
    """

    clip: backbones.Clip
    options: NamingOptions
    vectors: Float[np.ndarray, "m p"]

    @classmethod
    def create(
        cls,
        options: NamingOptions,
        *,
        model: str = DEFAULT_MODEL,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        dtype: str = backbones.AUTO,
    ) -> "Namer":
        """Loads a model and reads the labels; see `name_regions` for what it raises."""
        return _create(options, model, checkpoint_directory(checkpoint_dir), dtype)

    def __call__(self, tree: RegionTree, image: Pixels) -> RegionNames:
        """The names of all nodes of the tree of an image."""
        described = tree.describe(
            self.clip.patches(image, self.options.grid), unit=True
        )
        scale = self.clip.scale
        if self.options.temperature is not None:
            scale = 1 / self.options.temperature
        probabilities = _softmax(scale * described @ self.vectors.T)
        best = probabilities.argmax(axis=1)
        count = len(self.options.labels)
        is_sure = probabilities.max(axis=1) >= self.options.threshold
        return RegionNames(
            self.options.labels,
            np.where(is_sure & (best < count), best, NO_NAME).astype(np.int32),
            probabilities[:, :count],
        )


@functools.lru_cache(maxsize=4)
def _create(options: NamingOptions, model: str, directory: Path, dtype: str) -> Namer:
    clip = backbones.load_clip(model, checkpoint_dir=directory, dtype=dtype)
    return Namer(clip, options, clip.labels(options.texts))


def _softmax(logits: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n m"]:
    logits = logits - logits.max(axis=1, keepdims=True)
    weights = np.exp(logits)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def name_regions(
    tree: RegionTree,
    image: ImageLike,
    labels: Iterable[str],
    *,
    model: str = DEFAULT_MODEL,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    dtype: str = backbones.AUTO,
    **options: Any,
) -> RegionNames:
    """Names every region of a tree by the label that it fits best, or by none.

        >>> import uhseg_jax
        >>> tree = uhseg_jax.segment("photo.jpg")  # doctest: +SKIP
        >>> labels = ["dog", "grass", "sky"]  # doctest: +SKIP
        >>> names = uhseg_jax.name_regions(tree, "photo.jpg", labels)  # doctest: +SKIP
        >>> tree.masks()[names.nodes("dog")]  # doctest: +SKIP

    The first call fetches the model's weights (cached afterwards) and compiles. Texts
    are read with the package `tokenizers`: ``pip install 'uhseg_jax[prompts]'``.

    Args:
      tree: the regions of the image, of any method.
      image: as for `segment`.
      labels: what regions may be called; one text separates them by commas.
      model: one of `backbones.labels_models`.
      checkpoint_dir: where converted weights are kept; None for the user's cache.
      dtype: of the model's products, as for `segment`.
      **options: ``templates``, ``others``, ``temperature``, ``threshold`` and ``grid``
        of `NamingOptions`.

    Raises:
      ValueError: labels or options that cannot be, or no such model.
      TypeError: no such option, or the tree is a batch.
      images.ImageError: the image cannot be read.
      backbones.WeightsError: the weights could not be had.
      ImportError: the package `tokenizers` is not installed.
    """
    wanted = NamingOptions(parse_labels(labels), **options)
    namer = Namer.create(
        wanted, model=model, checkpoint_dir=checkpoint_dir, dtype=dtype
    )
    return namer(tree, read_image(image))
