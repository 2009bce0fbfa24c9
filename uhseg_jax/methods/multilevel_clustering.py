"""Lightweight multilevel clustering (Cheung, Chen, Yang and Zhao, 2023).

"A Lightweight Clustering Framework for Unsupervised Semantic Segmentation",
arXiv 2311.18628. Training-free, and over a collection of pictures: patch features are
clustered into few groups at the level of the dataset, of categories of pictures and of
the single picture; at each level some groups are foreground. The foreground of a
picture becomes regions, and regions are given a category by their class tokens.

Here is what concerns one picture or one set of centroids, as pure functions; the passes
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
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.kmeans import k_means
from uhseg_jax.types import Array, Bool, Float, Int, Key

__all__ = [
    "Config",
    "Foreground",
    "Level",
    "default",
    "evidence_level",
    "find_foreground",
    "foreground_by_evidence",
    "foreground_by_majority",
    "majority_level",
    "margins",
    "nearest_centroids",
    "probabilities",
]

# Of two clusters, one has more of both or there is a tie, and scores are 1 and -1 but
# for round-off: then neither is foreground.
_TIE = 1e-4
_FARTHEST = 2.0  # of two cosines: the margin where a level has only one of the kinds


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
      image_size: side to which pictures are resized, or (height, width), in pixels;
        the aspect ratio is not kept (ours).
      facet: of the patches: "token", "query", "key" or "value". The paper studies it;
        keys are ours.
      block: of the backbone that gives it, negative from the end.
      normed: tokens through the final norm; None: for the last block only.
      attention_block: whose class attention tells foreground from background.
      class_block: whose class token stands for pictures and regions.
      class_normed: class token through the final norm; None: for the last block only.
      consistency: how the three levels are kept consistent (both readings ours).
        "chain": the clusters of a level are foreground by the mask of the level above.
        "vote": every level decides by itself, and two of three decide on a patch.
      dataset_clusters: K of the dataset level.
      num_groups: categories of pictures at the category level, 20 for VOC.
      category_clusters: K within each of them.
      image_clusters: K within a picture.
      majority: share of a cluster that must lie in the mask of the level above.
      max_foreground: share of a picture above which a mask counts as failed, as an
        empty one does; then the level above decides.
      temperature: of the soft score; a cosine by which a patch is nearer to foreground
        multiplies its odds by e.
      sample_size: patches that the upper two levels are learned from, at the most;
        every picture gives as many.
      kmeans_restarts: seedings of every clustering but those of single pictures.
      kmeans_iterations: Lloyd steps of each at the most.
      min_area: share of a picture below which a region is dropped.
      regions: "components" (connected components of the foreground) or "tree" (the
        regions of a tree of `recursive_spectral` that lie in the foreground).
      tree_blocks: blocks whose tokens the tree is made from.
      tree_regions: regions at which it is cut.
      crop_size: side to which the box of a region is resized for its class token.
      whitened: principal components of the class tokens that are whitened, at most a
        quarter of the number of regions; 0: none, and nothing is whitened.
      num_categories: clusters of regions, 20 for VOC and 80 for COCO.
      keep_features: save the features of the first pass for the second and for later
        runs (2.8 MB a picture by default) rather than compute them again. Changes
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
class Level:
    """The clusters of one level.

    Attributes:
      centroids: ``[k, d]``, of unit length.
      is_foreground: ``[k]``, false for clusters without points.
      sizes: ``[k]``, points of each.
    """

    centroids: Float[Array, "k d"]
    is_foreground: Bool[Array, " k"]
    sizes: Float[Array, " k"]


@pytree_dataclass
class Foreground:
    """The foreground of one picture on the patch grid, at every level.

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


# -- which clusters are foreground ------------------------------------------------


def foreground_by_evidence(
    assignment: Int[Array, " n"],
    k: int,
    attention: Float[Array, " n"],
    on_border: Bool[Array, " n"],
    mask: Bool[Array, " n"],
) -> Bool[Array, " k"]:
    """Clusters that the class token attends to and that keep away from the border.

    The sign of z(mean class attention) - z(share of patches on the border), with z the
    standard score among the clusters that have points (the rule is ours).

    Args:
      assignment: cluster of every patch.
      k: number of clusters.
      attention: of the class token to every patch, mean over the heads.
      on_border: whether a patch touches the border of its picture.
      mask: the patches that count.
    """
    groups = _groups(assignment, k, mask)
    sizes = jnp.sum(groups, axis=1)

    def mean(values: Float[Array, " n"]) -> Float[Array, " k"]:
        sums = numerics.matmul(groups, jnp.where(mask, values, 0))
        return numerics.ratio(sums, sizes, empty=0.0)

    attended = _standard_scores(mean(attention), sizes > 0)
    at_border = _standard_scores(mean(on_border.astype(attention.dtype)), sizes > 0)
    return (attended - at_border > _TIE) & (sizes > 0)


def foreground_by_majority(
    assignment: Int[Array, " n"],
    k: int,
    in_mask: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    *,
    majority: float,
) -> Bool[Array, " k"]:
    """Clusters of which at least a share of ``majority`` lies in a mask.

    Args:
      assignment: cluster of every patch.
      k: number of clusters.
      in_mask: whether a patch is foreground at the level above.
      mask: the patches that count.
      majority: the share.
    """
    groups = _groups(assignment, k, mask)
    sizes = jnp.sum(groups, axis=1)
    inside = numerics.matmul(groups, (in_mask & mask).astype(groups.dtype))
    return (inside >= majority * sizes) & (sizes > 0)


def _groups(
    assignment: Int[Array, " n"], k: int, mask: Bool[Array, " n"]
) -> Float[Array, "k n"]:
    groups = jax.nn.one_hot(assignment, k, dtype=jnp.float32, axis=0)
    return jnp.where(mask[None, :], groups, 0)


def _standard_scores(
    values: Float[Array, " k"], there: Bool[Array, " k"]
) -> Float[Array, " k"]:
    """Standard scores among those that are there; 0 if all of them are alike."""
    count = jnp.maximum(jnp.sum(there), 1).astype(values.dtype)
    centred = jnp.where(there, values, 0)
    centred = jnp.where(there, values - jnp.sum(centred) / count, 0)
    variance = jnp.sum(centred * centred) / count
    # Below this the clusters differ by round-off alone.
    floor = (4 * jnp.finfo(values.dtype).eps * jnp.max(jnp.abs(values))) ** 2
    return centred * jnp.where(variance > floor, numerics.inverse_sqrt(variance), 0)


# -- the levels ----------------------------------------------------------------------


@functools.partial(jax.jit, static_argnames=("k", "max_iterations"))
def _cluster(
    key: Key[Array, ""],
    units: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    *,
    k: int,
    max_iterations: int,
) -> tuple[Float[Array, "k d"], Float[Array, ""]]:
    found = k_means(key, units, k, mask=mask, max_iterations=max_iterations)
    return numerics.normalize_rows(found.centroids), found.inertia


def cosine_centroids(
    key: Key[Array, ""],
    units: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    *,
    k: int,
    restarts: int,
    max_iterations: int,
) -> Float[Array, "k d"]:
    """Centroids of unit length of k-means on vectors of unit length.

    Args:
      key: random key for the seeds.
      units: ``[n, d]``, of unit length.
      mask: the points that count.
      k: number of centroids.
      restarts: seedings, one after the other; the one with least inertia is kept.
      max_iterations: Lloyd steps of each at the most.
    """
    runs = [
        _cluster(one, units, mask, k=k, max_iterations=max_iterations)
        for one in jax.random.split(key, restarts)
    ]
    best = min(range(restarts), key=lambda i: float(runs[i][1]))
    return runs[best][0]


def nearest_centroids(
    units: Float[Array, "n d"], centroids: Float[Array, "k d"]
) -> Int[Array, " n"]:
    """The centroid with the largest cosine, for vectors of any length."""
    return jnp.argmax(numerics.matmul(units, centroids.T), axis=1).astype(jnp.int32)


@functools.partial(jax.jit, static_argnames=())
def evidence_level(
    centroids: Float[Array, "k d"],
    units: Float[Array, "n d"],
    attention: Float[Array, " n"],
    on_border: Bool[Array, " n"],
    mask: Bool[Array, " n"],
) -> Level:
    """A level whose clusters are foreground by `foreground_by_evidence`."""
    k = centroids.shape[0]
    assignment = nearest_centroids(units, centroids)
    chosen = foreground_by_evidence(assignment, k, attention, on_border, mask)
    return Level(centroids, chosen, jnp.sum(_groups(assignment, k, mask), axis=1))


@functools.partial(jax.jit, static_argnames="majority")
def majority_level(
    centroids: Float[Array, "k d"],
    units: Float[Array, "n d"],
    in_mask: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    *,
    majority: float,
) -> Level:
    """A level whose clusters are foreground by `foreground_by_majority`."""
    k = centroids.shape[0]
    assignment = nearest_centroids(units, centroids)
    chosen = foreground_by_majority(assignment, k, in_mask, mask, majority=majority)
    return Level(centroids, chosen, jnp.sum(_groups(assignment, k, mask), axis=1))


def margins(units: Float[Array, "n d"], level: Level) -> Float[Array, " n"]:
    """How much nearer every vector is to foreground than to background, in cosine.

    2 where a level has no background and -2 where it has no foreground. Clusters
    without points count for neither.
    """
    cosines = numerics.matmul(units, level.centroids.T)
    there = level.sizes > 0

    def nearest(chosen: Bool[Array, " k"]) -> Float[Array, " n"]:
        return jnp.max(jnp.where(chosen[None, :], cosines, -jnp.inf), axis=1)

    foreground, background = level.is_foreground & there, ~level.is_foreground & there
    difference = nearest(foreground) - nearest(background)
    difference = jnp.where(jnp.any(background), difference, _FARTHEST)
    return jnp.where(jnp.any(foreground), difference, -_FARTHEST)


def probabilities(
    margin: Float[Array, "h w"], *, temperature: float
) -> Float[Array, "h w"]:
    """The soft score of foreground, 1/2 where a patch is as near to either."""
    return jax.nn.sigmoid(margin / temperature)


# -- one picture ---------------------------------------------------------------------


@functools.partial(jax.jit, static_argnames="config")
def find_foreground(
    key: Key[Array, ""],
    features: Float[Array, "h w d"],
    attention: Float[Array, "h w"],
    dataset: Level,
    category: Level,
    config: Config,
) -> Foreground:
    """The foreground of one picture at the three levels.

    Args:
      key: random key for the clusters of the picture.
      features: of its patches, of any length.
      attention: of the class token to the patches, mean over the heads.
      dataset: the level of the dataset.
      category: the level of the picture's category.
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
