"""A tree on the patch grid as a tree of pixels: the leaves move, the nesting stays."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.entry import entry_point
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.interpolation import Taps, read_taps, with_margin
from uhseg_jax.refinement.components import absorb_small_components
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.evidence import (
    LeafEvidence,
    joint_weights,
    log_probabilities,
)
from uhseg_jax.refinement.labels import divide_into_pieces, relabel, resize_labels
from uhseg_jax.refinement.pixel_grid import (
    PixelGrid,
    map_bands,
    padded_taps,
    working_copy,
)
from uhseg_jax.refinement.refiners import run_refiners
from uhseg_jax.types import Array, Float, Int, Integer, UInt8

__all__ = ["clean", "refine"]

_MIN_SLOTS = 8


@entry_point
def refine(
    tree: RegionTree,
    features: Float[Array | np.ndarray, "h w d"],
    image: UInt8[np.ndarray, "H W 3"],
    refinement: Refinement,
) -> RegionTree:
    """The tree with its leaves at the pixels of the image.

    Only the leaves are refined; their parents are unions of them, so regions stay
    nested. Leaves that lose all their pixels are removed.

    Args:
      tree: one tree on the patch grid.
      features: of the patches; finite vectors of any length.
      image: RGB pixels, of any size and aspect.
      refinement: the refiners and their parameters.

    Returns:
      A tree with numpy arrays and labels ``[H, W]``.

    Raises:
      ValueError: the features are on another grid than the tree.
    """
    on_grid = np.asarray(tree.labels)
    if tuple(features.shape[:2]) != on_grid.shape:
        raise ValueError(
            f"expected features on the tree's grid of {on_grid.shape[0]} x "
            f"{on_grid.shape[1]} patches, but got {tuple(features.shape)}."
        )
    height, width = image.shape[:2]
    leaves, slots = np.unique(on_grid, return_inverse=True)
    if refinement.refiners is None or len(leaves) == 1:
        labels = resize_labels(on_grid, (height, width))
    else:
        slots = slots.reshape(on_grid.shape).astype(np.int32)
        labels = leaves[_refined_slots(features, slots, image, refinement)]
    return clean(tree, labels, refinement)


def clean(
    tree: RegionTree, labels: Integer[np.ndarray, "H W"], refinement: Refinement
) -> RegionTree:
    """The tree over the pixels, with its small components absorbed if asked for.

    Leaves without pixels are removed, and those in several pieces divided if the
    refinement says so.

    Args:
      tree: one tree.
      labels: its leaf at every pixel.
      refinement: says how small and how connected; its refiners are not run.

    Returns:
      A tree with numpy arrays and labels ``[H, W]``.
    """
    min_area = math.ceil(refinement.min_area * labels.size)
    cleaned = relabel(tree, absorb_small_components(labels, min_area))
    return divide_into_pieces(cleaned) if refinement.connected else cleaned


def _refined_slots(
    features: Float[Array | np.ndarray, "h w d"],
    slots: Int[np.ndarray, "h w"],
    image: UInt8[np.ndarray, "H W 3"],
    refinement: Refinement,
) -> Integer[np.ndarray, "H W"]:
    """The slot of the best leaf at every pixel."""
    num_leaves = np.asarray(int(slots.max()) + 1, np.int32)
    num_slots = max(_MIN_SLOTS, 1 << int(num_leaves - 1).bit_length())
    evidence = _evidence(jnp.asarray(features), slots, num_slots=num_slots)
    height, width = image.shape[:2]
    if not refinement.refiners:
        pixels = PixelGrid.of(image, slots.shape, kernel=refinement.kernel)
        best = _best_by_evidence(evidence, pixels, num_leaves, refinement=refinement)
        return np.asarray(best)[:height, :width]
    working = working_copy(image, refinement.max_megapixels)
    pixels = PixelGrid.of(working, slots.shape, kernel=refinement.kernel)
    p = _refined_probabilities(evidence, pixels, num_leaves, refinement=refinement)
    if working.shape == image.shape:
        best = jnp.argmax(p, -1)
    else:
        p = p[: working.shape[0], : working.shape[1]]
        best = _best_by_interpolation(
            p, *padded_taps(p.shape[:2], (height, width), "bilinear")
        )
    return np.asarray(best)[:height, :width]


@functools.partial(jax.jit, static_argnames="num_slots")
def _evidence(features: Array, slots: Array, *, num_slots: int) -> LeafEvidence:
    return LeafEvidence.from_features(features.astype(jnp.float32), slots, num_slots)


def _log_probabilities(
    evidence: LeafEvidence,
    pixels: PixelGrid,
    num_leaves: Int[Array, ""],
    refinement: Refinement,
) -> Float[Array, "H W k"]:
    """Log p_ij at the pixels."""
    if refinement.kernel == "joint":
        weights = joint_weights(
            pixels.rows,
            pixels.columns,
            pixels.colors,
            pixels.cell_colors,
            color_sigma=refinement.color_sigma,
        )
        cosines = evidence.window_cosines(pixels.rows, pixels.columns, weights)
        shares = evidence.window_shares(pixels.rows, pixels.columns, weights)
    else:
        cosines = evidence.cosines(pixels.rows, pixels.columns)
        shares = evidence.shares(pixels.share_rows, pixels.share_columns)
    return log_probabilities(
        cosines,
        shares,
        num_leaves,
        temperature=refinement.temperature,
        locality=refinement.locality,
    )


@functools.partial(jax.jit, static_argnames="refinement")
def _best_by_evidence(
    evidence: LeafEvidence,
    pixels: PixelGrid,
    num_leaves: Int[Array, ""],
    *,
    refinement: Refinement,
) -> Int[Array, "H W"]:
    """The likeliest leaf at every pixel."""

    def band_fn(band: PixelGrid) -> Int[Array, "rows W"]:
        log_p = _log_probabilities(evidence, band, num_leaves, refinement)
        return jnp.argmax(log_p, axis=-1)

    return pixels.in_bands(band_fn)


@jax.jit
def _best_by_interpolation(
    probabilities: Float[Array, "h w k"], rows: Taps, columns: Taps
) -> Int[Array, "H W"]:
    """The likeliest leaf at each pixel, of probabilities on a coarser grid."""
    table = with_margin(probabilities)
    return map_bands(
        lambda band: jnp.argmax(read_taps(table, band, columns), axis=-1), rows
    )


@functools.partial(jax.jit, static_argnames="refinement")
def _refined_probabilities(
    evidence: LeafEvidence,
    pixels: PixelGrid,
    num_leaves: Int[Array, ""],
    *,
    refinement: Refinement,
) -> Float[Array, "H W k"]:
    """The probabilities of the leaves after the refiners."""
    log_p = _log_probabilities(evidence, pixels, num_leaves, refinement)
    return run_refiners(refinement.refiners or (), log_p, pixels, num_leaves)
