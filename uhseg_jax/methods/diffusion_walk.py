"""Diffusing, walking and cutting (Ivanova et al., WACV 2026).

Ivanova, Aversa, Henderson and Williamson, "Unsupervised Segmentation by Diffusing,
Walking and Cutting", arXiv 2412.04678. Zero-shot: the self-attention of a diffusion
model is the transition matrix of a random walk between the cells of the image, and
the image is divided in two by normalised cuts, again and again, on the graph of the
walk or on that of the likeness of its rows. Longer walks see larger regions, and the
bound at which cutting stops is found for every image.

What the abstracts state is done as they state it. Layers, weights of the resolutions,
lengths of the walk and the formula of the automatic bound were not to be found; what
stands for them is marked "ours". Attention of a Vision Transformer serves as well.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax import config_checks
from uhseg_jax.hierarchy import grow, two_way
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.methods import automatic_threshold
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import laplacian, walk
from uhseg_jax.spectral.affinity import DenseAffinity
from uhseg_jax.types import Array, Float, Scalar

__all__ = [
    "Config",
    "Output",
    "automatic",
    "check_attention",
    "default",
    "random_walk",
    "segment",
]

_MOST_REGIONS = 32  # that an eigengap is looked for at

_KINDS = {
    "image_size": config_checks.IMAGE_SIZE,
    "facet": config_checks.one_of("attention"),
    "blocks": config_checks.WHOLES,
    "passes": config_checks.one_of("inversion", "single"),
    "inversion_steps": config_checks.whole(1),
    "schedule_steps": config_checks.whole(1),
    "timestep": config_checks.whole(0),
    "noise": config_checks.one_of(True, False),
    "prompt": config_checks.TEXT,
    "graph": config_checks.one_of("walk", "rows"),
    "steps": config_checks.whole(1, 1024),
    "teleport": config_checks.real("a share above 0 and below 1", lambda x: 0 < x < 1),
    "exponent": config_checks.real(
        "a finite number above 0", lambda x: 0 < x < math.inf
    ),
    "stretched": config_checks.one_of(True, False),
    "threshold_rule": config_checks.one_of(
        "fixed", "escape", "relative_escape", "stability", "eigengap"
    ),
    "threshold": config_checks.real("a number from 0 to 2", lambda x: 0 <= x <= 2),
    "num_thresholds": config_checks.whole(1, 10_000),
    "min_size": config_checks.whole(1, 2**30),
    "max_depth": config_checks.whole(0, 2**31 - 1),
    "max_regions": config_checks.optional(config_checks.whole(1)),
    "seed": config_checks.whole(0, 2**32 - 1),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Every parameter of the method; the numbers are ours where nothing is said.

    Attributes:
      image_size: side to which images are resized, or (height, width), in pixels;
        the aspect ratio is not kept.
      facet: what the backbone gives; "attention".
      blocks: of a Vision Transformer, whose attention is averaged over heads and these
        blocks, negative from the end. A diffusion model gives that of all its layers.
      passes: how a diffusion model looks at the image. "inversion": DDIM inversion
        and the way back, attention taken on the latter; "single": one pass.
      inversion_steps: of "inversion"; the paper's 10, second-hand.
      schedule_steps: into which its schedule is divided; the paper's 50, second-hand.
      timestep: of "single" (DiffSeg: 300, DiffCut: 50).
      noise: whether "single" adds the noise of its timestep (DiffCut) or not (DiffSeg).
      prompt: that the diffusion model is given.
      graph: "walk" (random-walk normalised cuts) or "rows" (likeness of the rows of
        attention, the emphasis of the paper's second version).
      steps: k, the length of the walk P^k.
      teleport: probability of a uniform jump, so that there is one stationary law.
      exponent: to which cosines are raised, of "rows" (DiffCut: 10).
      stretched: whether cosines are first stretched to [0, 1], of "rows" (DiffCut).
      threshold_rule: "fixed", or for every image by itself: "escape" (our reading of
        the paper's minimum average node cut), "relative_escape", "stability" or
        "eigengap" (`automatic_threshold`).
      threshold: bound on ``cut / vol(A) + cut / vol(B)``. Of "fixed" the bound itself,
        of the others that to which the tree is grown before the rule looks at it.
      num_thresholds: of the second eigenvector that are tried (DiffCut: 100), evenly
        spaced where both sides keep `min_size` cells.
      min_size: the fewest cells of a region.
      max_depth: deepest level of the tree.
      max_regions: the dearest splits are undone until at most this many leaves are
        left; None keeps them all.
      seed: of the random keys and the noise.

    Raises:
      ValueError: a field is out of its range; the message names it.
    """

    image_size: int | tuple[int, int] = 518
    facet: str = "attention"
    blocks: tuple[int, ...] = (-2, -1)
    passes: str = "inversion"
    inversion_steps: int = 10
    schedule_steps: int = 50
    timestep: int = 300
    noise: bool = False
    prompt: str = ""
    graph: str = "rows"
    steps: int = 2
    teleport: float = 1e-4
    exponent: float = 10.0
    stretched: bool = True
    threshold_rule: str = "fixed"
    threshold: float = 0.8
    num_thresholds: int = 100
    min_size: int = 8
    max_depth: int = 10
    max_regions: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        config_checks.check_fields(self, _KINDS)


def default() -> Config:
    """Our parameters, for a tree of regions.

    Chosen on attention of `dinov2_vits14_focus` over the 160 training photographs of
    PascalVOC2012, and 50 of BSDS500: likeness of rows after two steps, sharpened as
    DiffCut does, and a fixed bound, which fits scenes of one object and of many better
    than the automatic rules.
    """
    return Config()


def automatic() -> Config:
    """The bound found for every image, for one flat segmentation.

    Markov stability was chosen among the rules. The least chance of escape, our reading
    of the paper's criterion, almost always keeps two regions: on photographs of one
    object it scores higher for that, on scenes much lower.
    """
    return Config(threshold_rule="stability", threshold=0.99)


def random_walk() -> Config:
    """Cuts of the walk itself (the paper's first graph), whose costs are probabilities.

    The cost of a region is the chance that a walker in it is elsewhere after one step.
    """
    return Config(graph="walk", steps=1, threshold=0.6)


@pytree_dataclass
class Output:
    """A tree with the evidence for it.

    Attributes:
      tree: the regions, on the grid of the attention.
      threshold: ``[]``, the largest normalised cut (sum of both sides) of a split that
        was kept; 0 where none was.
      split_residuals: ``[n]``, ``|M x - x value|`` of the eigenpairs that decided on
        each node of the whole tree, before any was undone; 0 where none was solved.
      stationary_residual: ``[]``, the mass that one more step would move from the
        stationary law; a few roundings, but more of walks that hardly mix.
    """

    tree: RegionTree
    threshold: Scalar
    split_residuals: Float[Array, " n"]
    stationary_residual: Scalar


def segment(attention: Float[Array, "h w n"], config: Config) -> Output:
    """The tree of regions of one image's attention.

    Pure; jits with ``config`` static.

    Args:
      attention: what every cell of the grid takes from each of the ``n = h * w`` cells,
        not negative, row by row. Rows need not sum to one; one of zeros keeps its
        walker.
      config: the parameters; those of the backbone are not looked at.

    Returns:
      The tree on the grid ``[h, w]``. Attention whose rows are all the same, and not
      zero, gives one region.
    """
    h, w, n = attention.shape

    # Walk: the chain, which may jump anywhere now and then, and its stationary law.
    transitions = walk.transition_matrix(attention.reshape(n, n))
    chain = walk.mix(transitions, config.teleport)
    stationary = walk.stationary_distribution(chain)
    law = stationary.law
    affinity = walk.WalkAffinity(chain, law, config.steps)
    graph = _graph(affinity, config)

    # Cut: two ways at a time, up to the bound.
    grown = grow.grow(
        jax.random.key(config.seed),
        graph.weights,
        jnp.ones((n,), bool),
        functools.partial(
            two_way.by_two_way_ncut,
            max_ncut=config.threshold / 2,
            num_thresholds=config.num_thresholds,
            min_size=config.min_size,
        ),
        max_depth=jnp.where(affinity.is_constant, 0, config.max_depth),
        max_children=2,
        min_size=config.min_size,
    )
    tree = RegionTree(
        labels=grown.leaves.reshape(h, w),
        parents=grown.parents,
        num_nodes=grown.num_nodes,
        depths=grown.depths,
        costs=grown.costs,
    )

    # Bound: of a tree that was grown to a generous one, the splits that suit the
    # image.
    match config.threshold_rule:
        case "escape" | "relative_escape" as rule:
            relative = rule == "relative_escape"
            price = automatic_threshold.least_escape(tree, chain, relative=relative)
            tree = _opened_up_to(tree, price)
        case "stability":
            tree = _opened_up_to(
                tree, automatic_threshold.most_stable(tree, chain, law)
            )
        case "eigengap":
            count = automatic_threshold.largest_eigengap(_eigenvalues(graph))
            tree = tree.prune(num_regions=count)
    if config.max_regions is not None:
        tree = tree.prune(num_regions=config.max_regions)
    return Output(tree, _dearest_split(tree), grown.residuals, stationary.residual)


def _graph(affinity: walk.WalkAffinity, config: Config) -> DenseAffinity:
    """The graph that is cut, of k steps of the walk."""
    if config.graph == "walk":
        return affinity.dense()
    return walk.row_similarity(
        walk.power(affinity.transitions, affinity.steps),
        exponent=config.exponent,
        stretched=config.stretched,
    )


def _opened_up_to(tree: RegionTree, price: Scalar) -> RegionTree:
    """The tree with the splits up to a price, that price included."""
    # The number after 0 is one that processors flush back to 0.
    price = jnp.maximum(price, jnp.finfo(price.dtype).tiny)
    return tree.prune(cost=jnp.nextafter(price, jnp.asarray(jnp.inf, price.dtype)))


def _eigenvalues(graph: DenseAffinity) -> Float[Array, " q"]:
    """The smallest eigenvalues of the graph's normalised Laplacian, repeated ones too.

    Solved whole: Lanczos' method finds one vector of an eigenvalue that several parts
    of the graph share, and then the gap is not where it belongs.
    """
    everywhere = jnp.ones((graph.num_vertices,), bool)
    adjacency = laplacian.normalized_adjacency(graph.weights, everywhere)
    return 1 - jnp.linalg.eigvalsh(adjacency)[::-1][: _MOST_REGIONS + 1]


def _dearest_split(tree: RegionTree) -> Scalar:
    """Ncut(A, B) of the dearest split of a tree; 0 where there is none."""
    prices = automatic_threshold.opening_costs(
        jnp.asarray(tree.parents), jnp.asarray(tree.costs)
    )
    return 2 * jnp.max(jnp.where(jnp.isfinite(prices), prices, 0))


def check_attention(attention: Float[np.ndarray | Array, "*b h w n"]) -> None:
    """Refuses what is no attention between the cells of a grid.

    Raises:
      ValueError: the vectors do not have an entry for every cell, or one is negative.
    """
    h, w, n = attention.shape[-3:]
    if n != h * w:
        raise ValueError(
            "expected attention: for every cell of a grid one number for each of its "
            f"cells, [h, w, h * w], but got shape {tuple(attention.shape)}, where "
            f"h * w is {h * w}."
        )
    xp = jnp if isinstance(attention, jax.Array) else np
    if not xp.all(attention >= 0):
        raise ValueError(
            f"expected attention, which is not negative, but the least of its entries "
            f"is {float(xp.min(attention)):.3g}; take it after the softmax."
        )
