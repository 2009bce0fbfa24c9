"""A tree on the patch grid as a tree of pixels: the leaves move, the nesting stays."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.derivatives import require_values
from uhseg_jax.entry import entry_point
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import resize
from uhseg_jax.interpolation import Taps
from uhseg_jax.refinement.components import absorb_small_components
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.evidence import (
    LeafEvidence,
    PatchUnits,
    RowEvidence,
    joint_weights,
    leaf_logits,
)
from uhseg_jax.refinement.label_columns import WIDTH, best_label, columns_of
from uhseg_jax.refinement.labels import divide_into_pieces, relabel, resize_labels
from uhseg_jax.refinement.pixel_grid import PixelGrid, capacity, working_copy
from uhseg_jax.refinement.refiners import run_refiners
from uhseg_jax.refinement.tiles import Span, best_at_size, spans, write
from uhseg_jax.types import Array, Float, Int, Integer, UInt8

__all__ = ["clean", "refine"]


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
      tree: one tree on the patch grid; one that has the size of the image already keeps
        its labels.
      features: of the patches; finite vectors of any length.
      image: RGB pixels, of any size and aspect.
      refinement: the refiners and their parameters.

    Returns:
      A tree with numpy arrays and labels ``[H, W]``.

    Raises:
      ValueError: the features are on another grid than the tree.
    """
    require_values("refine", (tree, features, image))
    on_grid = np.asarray(tree.labels)
    if on_grid.shape == image.shape[:2] != tuple(features.shape[:2]):
        return clean(tree, on_grid, refinement)
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
    num_leaves = int(slots.max()) + 1
    patches = _patches(jnp.asarray(features))
    starts = columns_of(num_leaves)
    evidence = [_evidence(patches, slots - np.int32(x)) for x in starts]
    if not refinement.refiners:
        best = np.empty(image.shape[:2], np.int32)
        for rows, columns, logits in _tiles(evidence, image, num_leaves, refinement):
            write(best, rows, columns, best_label(logits))
        return best
    working = working_copy(image, refinement.max_megapixels)
    height, width = working.shape[:2]
    length = capacity(height * width, round(refinement.max_megapixels * 1e6))
    flat = [np.zeros((length, WIDTH), np.float32) for _ in starts]
    seen = [_as_image(x, working.shape) for x in flat]
    for rows, columns, logits in _tiles(evidence, working, num_leaves, refinement):
        for whole, tile in zip(seen, logits, strict=True):
            write(whole, rows, columns, tile)
    pixels = PixelGrid.of(working, length)
    given = [jnp.asarray(x) for x in flat]
    p = run_refiners(refinement.refiners, given, pixels, num_leaves)
    if working.shape == image.shape:
        return np.asarray(best_label(p))[: height * width].reshape(height, width)
    return best_at_size([_as_image(x, working.shape) for x in p], image.shape[:2])


@jax.jit
def _patches(features: Float[Array, "h w d"]) -> PatchUnits:
    return PatchUnits.of(features.astype(jnp.float32))


@jax.jit
def _evidence(patches: PatchUnits, slots: Int[Array, "h w"]) -> LeafEvidence:
    return patches.evidence(slots, WIDTH)


def _tiles(
    evidence: list[LeafEvidence],
    image: UInt8[np.ndarray, "H W 3"],
    num_leaves: int,
    refinement: Refinement,
) -> Iterator[tuple[Span, Span, list[Float[Array, "T T c"]]]]:
    """The logits of all leaves at the pixels, one tile after the other."""
    grid = evidence[0].lengths.shape[0] - 1, evidence[0].lengths.shape[1] - 1
    joint = refinement.kernel == "joint"
    of_features = "gaussian" if joint else refinement.kernel
    of_leaves = "bilinear" if refinement.kernel == "bicubic" else of_features
    height, width = image.shape[:2]
    left = [np.asarray(num_leaves - x, np.int32) for x in columns_of(num_leaves)]
    cells = resize(image, grid) if joint else None
    for rows in spans(grid[0], height, of_features, of_leaves):
        bands = [] if joint else [_band(x, *rows.taps) for x in evidence]
        for columns in spans(grid[1], width, of_features, of_leaves):
            if joint:
                near = np.ix_(rows.places, columns.places)
                taps = rows.taps[0], columns.taps[0]
                logits = [
                    _joint_logits(
                        x, *taps, image[near], cells, n, refinement=refinement
                    )
                    for x, n in zip(evidence, left, strict=True)
                ]
            else:
                logits = [
                    _logits(x, *columns.taps, n, refinement=refinement)
                    for x, n in zip(bands, left, strict=True)
                ]
            yield rows, columns, logits


@jax.jit
def _band(evidence: LeafEvidence, rows: Taps, share_rows: Taps) -> RowEvidence:
    return evidence.in_rows(rows, share_rows)


@functools.partial(jax.jit, static_argnames="refinement")
def _logits(
    band: RowEvidence,
    columns: Taps,
    share_columns: Taps,
    num_leaves: Int[Array, ""],
    *,
    refinement: Refinement,
) -> Float[Array, "T T c"]:
    """Log p_ij in a tile, up to a number for each pixel."""
    return leaf_logits(
        band.cosines(columns),
        band.shares(share_columns),
        num_leaves,
        temperature=refinement.temperature,
        locality=refinement.locality,
    )


@functools.partial(jax.jit, static_argnames="refinement")
def _joint_logits(
    evidence: LeafEvidence,
    rows: Taps,
    columns: Taps,
    colors: UInt8[Array, "T T 3"],
    cell_colors: UInt8[Array, "h w 3"],
    num_leaves: Int[Array, ""],
    *,
    refinement: Refinement,
) -> Float[Array, "T T c"]:
    """As `_logits`, with weights that follow the colours."""
    sigma = refinement.color_sigma
    weights = joint_weights(rows, columns, colors, cell_colors, color_sigma=sigma)
    return leaf_logits(
        evidence.window_cosines(rows, columns, weights),
        evidence.window_shares(rows, columns, weights),
        num_leaves,
        temperature=refinement.temperature,
        locality=refinement.locality,
    )


def _as_image(
    values: Float[Array | np.ndarray, "n c"], shape: tuple[int, ...]
) -> Float[np.ndarray, "H W c"]:
    """The pixels that there are, in rows; of numpy's arrays a view."""
    height, width = shape[:2]
    return np.asarray(values)[: height * width].reshape(height, width, -1)
