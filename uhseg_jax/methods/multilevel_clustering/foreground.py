"""The foreground of one image at three levels, as pure functions.

The paper states the three levels and their consistency; the rules are ours.
"""

import functools

import jax
import jax.numpy as jnp

from uhseg_jax.methods.multilevel_clustering.cluster_levels import (
    Level,
    evidence_level,
    majority_level,
    margins,
)
from uhseg_jax.methods.multilevel_clustering.config import Config
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.kmeans import k_means
from uhseg_jax.types import Array, Bool, Float, Key

__all__ = ["Foreground", "border", "find_foreground", "probabilities"]


@pytree_dataclass
class Foreground:
    """The foreground of one image on the patch grid, at every level.

    A margin is how much nearer a patch is, in cosine, to the nearest foreground
    centroid than to the nearest of the background; masks are where it is above 0.

    Attributes:
      dataset: ``[h, w]``, margins of the dataset level.
      category: margins of the category level.
      image: margins of the image level, before anything falls back.
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
      features: features of its patches; they count by their direction.
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
