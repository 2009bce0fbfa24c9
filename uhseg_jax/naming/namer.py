"""Names for regions: which of some labels each fits best, as a CLIP sees it.

The vectors of an image's patches (`backbones.clip.vectors`) are averaged over every
region, and compared with those of the labels: cosine similarities over a temperature,
and a softmax over the labels. Among them stand texts for what has no label, such as
"background": a region that one of these fits best has no name, nor has one whose best
label has a probability below the threshold. Names never change a tree.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax import backbones
from uhseg_jax.cache import checkpoint_directory
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import ImageLike, PathLike, read_image
from uhseg_jax.naming.options import DEFAULT_MODEL, NamingOptions, parse_labels
from uhseg_jax.types import Float, Int, Pixels

__all__ = ["NO_NAME", "Namer", "RegionNames", "name_regions"]

NO_NAME = -1
"""Index of the name of a region that has none."""


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
        checkpoint_dir: PathLike | None = None,
        dtype: str = backbones.AUTO,
    ) -> Namer:
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
    checkpoint_dir: PathLike | None = None,
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
        of `naming.options.NamingOptions`.

    Raises:
      ValueError: labels or options that cannot be, or no such model.
      TypeError: no such option, or the tree is a batch.
      images.ImageError: the image cannot be read.
      backbones.WeightsError: the weights could not be had.
      MissingPackageError: the package `tokenizers` is not installed.
    """
    wanted = NamingOptions(parse_labels(labels), **options)
    namer = Namer.create(
        wanted, model=model, checkpoint_dir=checkpoint_dir, dtype=dtype
    )
    return namer(tree, read_image(image))
