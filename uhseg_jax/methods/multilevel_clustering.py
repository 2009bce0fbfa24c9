"""Lightweight multilevel clustering (Cheung, Chen, Yang and Zhao, 2023).

"A Lightweight Clustering Framework for Unsupervised Semantic Segmentation",
arXiv 2311.18628. Training-free, and over a collection of images: patch features are
clustered into few groups at the level of the dataset, of categories of images and of
the single image; at each level some groups are foreground. The foreground of a
image becomes regions, and regions are given a category by their class tokens.

Here is what concerns one image or one set of centroids, as pure functions; the passes
over a collection are in `uhseg_jax.discovery`. The abstract states the three levels,
their consistency and the labelling by class tokens; every number and rule marked
"ours" is a choice of this package.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from uhseg_jax import config_checks
from uhseg_jax.methods.foreground_levels import (
    Level,
    evidence_level,
    majority_level,
    margins,
)
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.kmeans import k_means
from uhseg_jax.types import Array, Bool, Float, Key

__all__ = [
    "Config",
    "Foreground",
    "border",
    "default",
    "find_foreground",
    "probabilities",
]

_SHARE = config_checks.real("a share from 0 to 1", lambda x: 0 <= x <= 1)
_KINDS = {
    "image_size": config_checks.IMAGE_SIZE,
    "facet": config_checks.one_of("token", "query", "key", "value"),
    "block": config_checks.whole(-1000, 1000),
    "normed": config_checks.one_of(None, True, False),
    "attention_block": config_checks.whole(-1000, 1000),
    "class_block": config_checks.whole(-1000, 1000),
    "class_normed": config_checks.one_of(None, True, False),
    "consistency": config_checks.one_of("chain", "vote"),
    **dict.fromkeys(
        (
            "dataset_clusters",
            "num_groups",
            "category_clusters",
            "image_clusters",
            "sample_size",
            "kmeans_restarts",
            "kmeans_iterations",
            "tree_regions",
            "crop_size",
            "num_categories",
        ),
        config_checks.whole(1),
    ),
    **dict.fromkeys(("majority", "max_foreground", "min_area"), _SHARE),
    "temperature": config_checks.real(
        "a finite number above 0", lambda x: 0 < x < math.inf
    ),
    "regions": config_checks.one_of("components", "tree"),
    "tree_blocks": config_checks.WHOLES,
    "whitened": config_checks.whole(0),
    "keep_features": config_checks.one_of(True, False),
    "seed": config_checks.whole(0, 2**32 - 1),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Every parameter of the method; the numbers are ours where nothing is said.

    Attributes:
      image_size: side to which images are resized, or (height, width), in pixels;
        the aspect ratio is not kept (ours).
      facet: of the patches: "token", "query", "key" or "value". The paper studies it;
        keys are ours.
      block: of the backbone that gives it, negative from the end.
      normed: tokens through the final norm; None: for the last block only.
      attention_block: whose class attention tells foreground from background.
      class_block: whose class token stands for images and regions.
      class_normed: class token through the final norm; None: for the last block only.
      consistency: how the three levels are kept consistent (both readings ours).
        "chain": the clusters of a level are foreground by the mask of the level above.
        "vote": every level decides by itself, and two of three decide on a patch.
      dataset_clusters: K of the dataset level.
      num_groups: categories of images at the category level, 20 for VOC.
      category_clusters: K within each of them.
      image_clusters: K within an image.
      majority: share of a cluster that must lie in the mask of the level above.
      max_foreground: share of an image above which a mask counts as failed, as an
        empty one does; then the level above decides.
      temperature: of the soft score; a cosine by which a patch is nearer to foreground
        multiplies its odds by e.
      sample_size: patches that the upper two levels are learned from, at the most;
        every image gives as many.
      kmeans_restarts: seedings of every clustering but those of single images.
      kmeans_iterations: Lloyd steps of each at the most.
      min_area: share of an image below which a region is dropped.
      regions: "components" (connected components of the foreground) or "tree" (the
        regions of a tree of `recursive_spectral` that lie in the foreground).
      tree_blocks: blocks whose tokens the tree is made from.
      tree_regions: regions at which it is cut.
      crop_size: side to which the box of a region is resized for its class token.
      whitened: principal components of the class tokens that are whitened, at most a
        quarter of the number of regions; 0: none, and nothing is whitened.
      num_categories: clusters of regions, 20 for VOC and 80 for COCO.
      keep_features: save the features of the first pass for the second and for later
        runs (2.8 MB an image by default) rather than compute them again. Changes
        no result.
      seed: of the random keys; the same seed gives the same categories.

    Raises:
      ValueError: a field is out of its range; the message names it.
    """

    image_size: int | tuple[int, int] = 840
    facet: str = "key"
    block: int = -1
    normed: bool | None = None
    attention_block: int = -1
    class_block: int = -1
    class_normed: bool | None = None
    consistency: str = "chain"
    dataset_clusters: int = 3
    num_groups: int = 20
    category_clusters: int = 3
    image_clusters: int = 5
    majority: float = 0.5
    max_foreground: float = 0.95
    temperature: float = 0.1
    sample_size: int = 200_000
    kmeans_restarts: int = 3
    kmeans_iterations: int = 100
    min_area: float = 0.01
    regions: str = "components"
    tree_blocks: tuple[int, ...] = (-4, -1)
    tree_regions: int = 8
    crop_size: int = 224
    whitened: int = 16
    num_categories: int = 20
    keep_features: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        config_checks.check_fields(self, _KINDS)


def default() -> Config:
    """Our parameters."""
    return Config()


@pytree_dataclass
class Foreground:
    """The foreground of one image on the patch grid, at every level.

    A margin is how much nearer a patch is, in cosine, to the nearest foreground
    centroid than to the nearest of the background; masks are where it is above 0.

    Attributes:
      dataset: ``[h, w]``, margins of the dataset level.
      category: of the category level.
      image: of the image level, before anything falls back.
      final: what the three agree on.
    """

    dataset: Float[Array, "h w"]
    category: Float[Array, "h w"]
    image: Float[Array, "h w"]
    final: Float[Array, "h w"]


def probabilities(
    margin: Float[Array, "h w"], *, temperature: float
) -> Float[Array, "h w"]:
    """The soft score of foreground, 1/2 where a patch is as near to either."""
    return jax.nn.sigmoid(margin / temperature)


@functools.partial(jax.jit, static_argnames="config")
def find_foreground(
    key: Key[Array, ""],
    features: Float[Array, "h w d"],
    attention: Float[Array, "h w"],
    dataset: Level,
    category: Level,
    config: Config,
) -> Foreground:
    """The foreground of one image at the three levels.

    Args:
      key: random key for the clusters of the image.
      features: of its patches, of any length.
      attention: of the class token to the patches, mean over the heads.
      dataset: the level of the dataset.
      category: the level of the image's category.
      config: the parameters.
    """
    h, w, d = features.shape
    units = numerics.normalize_rows(features.reshape(h * w, d))
    every = jnp.ones((h * w,), bool)
    k = min(config.image_clusters, h * w)
    found = k_means(key, units, k, max_iterations=config.kmeans_iterations)
    centroids = numerics.normalize_rows(found.centroids)
    of_dataset, of_category = margins(units, dataset), margins(units, category)
    if config.consistency == "chain":
        level = majority_level(
            centroids, units, of_category > 0, every, majority=config.majority
        )
    else:
        level = evidence_level(
            centroids, units, attention.reshape(-1), border(h, w).reshape(-1), every
        )
    of_image = margins(units, level)
    combine = _chained if config.consistency == "chain" else _voted
    final = combine(of_dataset, of_category, of_image, config.max_foreground)
    return Foreground(
        *(x.reshape(h, w) for x in (of_dataset, of_category, of_image, final))
    )


def border(h: int, w: int) -> Bool[Array, "h w"]:
    """The cells of a grid that touch its border."""
    rows, columns = jnp.arange(h)[:, None], jnp.arange(w)[None, :]
    return (rows == 0) | (rows == h - 1) | (columns == 0) | (columns == w - 1)


def _chained(
    dataset: Float[Array, " n"],
    category: Float[Array, " n"],
    image: Float[Array, " n"],
    max_foreground: float,
) -> Float[Array, " n"]:
    """The lowest level whose mask is neither empty nor nearly everything."""

    def stands(margin: Float[Array, " n"]) -> Bool[Array, ""]:
        share = jnp.mean((margin > 0).astype(jnp.float32))
        return (share > 0) & (share <= max_foreground)

    above = jnp.where(stands(category), category, dataset)
    return jnp.where(stands(image), image, above)


def _voted(
    dataset: Float[Array, " n"],
    category: Float[Array, " n"],
    image: Float[Array, " n"],
    max_foreground: float,
) -> Float[Array, " n"]:
    """The median, which is above 0 where two of three are."""
    del max_foreground  # no level stands for another
    return jnp.median(jnp.stack([dataset, category, image]), axis=0)
