"""The upper two levels of `multilevel_clustering`, from a sample of all patches."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.methods.multilevel_clustering import cluster_levels
from uhseg_jax.methods.multilevel_clustering.cluster_levels import Level
from uhseg_jax.methods.multilevel_clustering.config import Config
from uhseg_jax.methods.multilevel_clustering.features import ImageFeatures
from uhseg_jax.methods.multilevel_clustering.foreground import border
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.kmeans import k_means
from uhseg_jax.types import Bool, Float, Int, Key

__all__ = ["Levels", "Sample", "fit_levels"]

_LEVEL_FIELDS = tuple(field.name for field in dataclasses.fields(Level))
_LEAST_POINTS = 256  # clusterings of fewer share one program


@dataclasses.dataclass(frozen=True)
class Levels:
    """What was learned from the collection.

    Attributes:
      dataset: the level of the dataset.
      categories: the level of every group of images.
      group: int ``[images]``, the group of every image; -1 for those not read.
    """

    dataset: Level
    categories: tuple[Level, ...]
    group: Int[np.ndarray, " p"]

    def category_of(self, image: int) -> Level:
        """The category level that an image belongs to."""
        return self.categories[int(self.group[image])]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The levels in arrays, as `from_arrays` takes them."""
        levels = {"dataset": [self.dataset], "category": self.categories}
        return {"group": self.group} | {
            f"{name}_{field}": np.stack([np.asarray(getattr(x, field)) for x in level])
            for name, level in levels.items()
            for field in _LEVEL_FIELDS
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Levels":
        """The levels of `to_arrays`; KeyError if one of the arrays is missing."""
        dataset, categories = (
            [
                Level(*map(jnp.asarray, fields))
                for fields in zip(
                    *(arrays[f"{name}_{x}"] for x in _LEVEL_FIELDS), strict=True
                )
            ]
            for name in ("dataset", "category")
        )
        return cls(dataset[0], tuple(categories), arrays["group"])


class Sample:
    """Patches drawn from every image in turn, and the class tokens of all.

    Every image gives the same number of patches, so memory does not grow with the
    collection. Which patches are drawn depends only on the seed and the image's number.
    """

    def __init__(self, count: int, config: Config):
        self._count, self._config = count, config
        self._share = max(1, config.sample_size // max(1, count))
        self._rows: list[tuple[np.ndarray, ...]] = []
        self._tokens: dict[int, np.ndarray] = {}

    def add(self, image: int, features: ImageFeatures) -> None:
        """Draws from one image."""
        h, w, d = features.patches.shape
        rng = np.random.default_rng([self._config.seed, image])
        drawn = rng.choice(h * w, size=min(self._share, h * w), replace=False)
        drawn.sort()
        self._rows.append(
            (
                features.patches.reshape(h * w, d)[drawn],
                features.attention.reshape(h * w)[drawn],
                np.asarray(border(h, w)).reshape(h * w)[drawn],
                np.full(drawn.size, image),
            )
        )
        self._tokens[image] = features.class_token

    def __len__(self) -> int:
        """Images drawn from."""
        return len(self._rows)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Patches, attention, whether on the border, and image, of all drawn."""
        patches, attention, on_border, owners = map(
            np.concatenate, zip(*self._rows, strict=True)
        )
        return patches, attention, on_border, owners

    def class_tokens(self) -> tuple[Int[np.ndarray, " r"], Float[np.ndarray, "r e"]]:
        """The numbers of the images and their class tokens."""
        return np.array(list(self._tokens)), np.stack(list(self._tokens.values()))


def fit_levels(sample: Sample, config: Config, *, count: int) -> Levels:
    """Learns the dataset and the category level.

    Args:
      sample: patches of at least one image.
      config: the parameters.
      count: images of the collection, those not read included.
    """
    patches, attention, on_border, owners = sample.arrays()
    group_key, category_key, dataset_key = jax.random.split(
        jax.random.key(config.seed), 3
    )
    units, mask = padded(patches)
    k = min(config.dataset_clusters, int(mask.sum()))
    centroids = _centroids(
        dataset_key, units, mask, k, config, greedy=True, spherical=True
    )
    dataset = cluster_levels.evidence_level(
        centroids,
        units,
        _padded_as(attention, mask),
        _padded_as(on_border, mask),
        mask,
    )
    in_mask = np.asarray(cluster_levels.margins(units, dataset) > 0)
    rows = np.asarray(units)

    images, tokens = sample.class_tokens()
    group = np.full(count, -1)
    group[images] = _groups(group_key, tokens, config)
    of_patch = group[owners]
    categories = []
    for index in range(int(group.max()) + 1):
        chosen = np.flatnonzero(of_patch == index)
        points, there = padded(rows[chosen])
        found = _centroids(
            jax.random.fold_in(category_key, index),
            points,
            there,
            config.category_clusters,
            config,
        )
        if config.consistency == "chain":
            level = cluster_levels.majority_level(
                found,
                points,
                _padded_as(in_mask[chosen], there),
                there,
                majority=config.majority,
            )
        else:
            level = cluster_levels.evidence_level(
                found,
                points,
                _padded_as(attention[chosen], there),
                _padded_as(on_border[chosen], there),
                there,
            )
        categories.append(level)
    return Levels(dataset, tuple(categories), group)


def _groups(
    key: Key[jax.Array, ""], tokens: Float[np.ndarray, "r e"], config: Config
) -> Int[np.ndarray, " r"]:
    """The group of every image, numbered without gaps."""
    units, mask = padded(unit_rows(tokens))
    k = min(config.num_groups, len(tokens))
    centroids = _centroids(key, units, mask, k, config)
    found = np.asarray(cluster_levels.nearest_centroids(units, centroids))[
        : len(tokens)
    ]
    return np.unique(found, return_inverse=True)[1]


def _centroids(
    key: Key[jax.Array, ""],
    units: Float[jax.Array, "n d"],
    mask: Bool[jax.Array, " n"],
    k: int,
    config: Config,
    *,
    greedy: bool = False,
    spherical: bool = False,
) -> Float[jax.Array, "k d"]:
    """Centroids of unit length, for points of unit length."""
    found = k_means(
        key,
        units,
        k,
        mask=mask,
        num_restarts=config.kmeans_restarts,
        max_iterations=config.kmeans_iterations,
        greedy=greedy,
        spherical=spherical,
        in_turn=True,
    )
    return numerics.normalize_rows(found.centroids)


def unit_rows(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows divided by their length; zero rows stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def padded(
    rows: Float[np.ndarray, "n d"],
) -> tuple[Float[jax.Array, "m d"], Bool[jax.Array, " m"]]:
    """float32 rows up to a power of two, so that few programs are compiled."""
    n = len(rows)
    size = max(_LEAST_POINTS, 1 << (n - 1).bit_length())
    if n > 1 << 16:  # half a power costs memory there
        size = -(-n // (1 << 14)) << 14
    full = np.zeros((size, rows.shape[1]), np.float32)
    full[:n] = rows
    return jnp.asarray(full), jnp.arange(size) < n


def _padded_as(values: np.ndarray, mask: Bool[jax.Array, " m"]) -> jax.Array:
    return jnp.asarray(np.pad(values, (0, mask.shape[0] - len(values))))
