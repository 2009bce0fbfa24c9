"""Random valid region trees, for tests of everything that consumes a `RegionTree`."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from uhseg_jax.hierarchy.tree import NO_PARENT, ROOT, RegionTree


def random_tree(
    seed: int,
    *,
    height: int = 24,
    width: int = 32,
    num_splits: int = 8,
    max_children: int = 3,
    padding: int = 0,
    tied_costs: bool = False,
) -> RegionTree:
    """A tree grown by splitting random leaves along random lines.

    Children of one split touch along a line, so regions look like regions. There are
    fewer than `num_splits` splits when every leaf is down to one cell.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.int32)
    parents, depths, costs = [NO_PARENT], [0], [0.0]
    for _ in range(num_splits):
        sizes = np.bincount(labels.ravel(), minlength=len(parents))
        divisible = np.flatnonzero(sizes > 1)
        if not divisible.size:
            break
        node = rng.choice(divisible)
        cells = np.flatnonzero(labels == node)
        count = min(rng.integers(2, max_children + 1), cells.size)
        angle = rng.uniform(0, np.pi)
        along = np.cos(angle) * rows.flat[cells] + np.sin(angle) * columns.flat[cells]
        ends = np.sort(rng.choice(np.arange(1, cells.size), count - 1, replace=False))
        for part in np.split(cells[np.argsort(along)], ends):
            labels.flat[part] = len(parents)
            parents.append(node)
            depths.append(depths[node] + 1)
            costs.append(0.5 if tied_costs else rng.uniform(0.01, 1))
    return make_tree(labels, parents, depths, costs, padding=padding)


def clip_tree(
    seed: int, *, frames: int = 4, height: int = 9, width: int = 11, **more: int
) -> RegionTree:
    """A random tree over the frames of a clip; its regions go through some of them."""
    tree = random_tree(seed, height=frames * height, width=width, **more)
    labels = tree.labels.reshape(frames, height, width)
    return dataclasses.replace(tree, labels=labels)


def still(tree: RegionTree, frames: int) -> RegionTree:
    """The tree of a clip all of whose frames are one image."""
    labels = np.repeat(tree.labels[None], frames, axis=0)
    return dataclasses.replace(tree, labels=labels)


def make_tree(labels, parents, depths, costs, *, padding: int = 0) -> RegionTree:
    """A tree from lists, with `padding` unused entries behind its nodes."""

    def padded(values, dtype, fill):
        return np.pad(np.asarray(values, dtype), (0, padding), constant_values=fill)

    return RegionTree(
        labels=np.asarray(labels, np.int32),
        parents=padded(parents, np.int32, NO_PARENT),
        num_nodes=np.asarray(len(parents), np.int32),
        depths=padded(depths, np.int32, 0),
        costs=padded(costs, np.float32, 0),
    )


def on_device(tree: RegionTree) -> RegionTree:
    """The same tree as methods return it: jax arrays."""
    return jax.tree.map(jnp.asarray, tree)


def quadrants(height: int = 8, width: int = 12) -> RegionTree:
    """Left and right halves (cost 0.1 each); then the left one's top and bottom.

    Nodes: 0 root, 1 left, 2 right, 3 left top, 4 left bottom (0.4), 5 and 6 the right
    one's top and bottom (0.6).
    """
    rows, columns = np.mgrid[:height, :width]
    top, left = rows < height // 2, columns < width // 2
    labels = np.where(left, np.where(top, 3, 4), np.where(top, 5, 6))
    return make_tree(
        labels,
        [NO_PARENT, ROOT, ROOT, 1, 1, 2, 2],
        [0, 1, 1, 2, 2, 2, 2],
        [0, 0.1, 0.1, 0.4, 0.4, 0.6, 0.6],
    )


def merged_tree(regions: np.ndarray, seed: int) -> RegionTree:
    """A binary tree over the regions of a map, of random pairs, merged and merged."""
    rng = np.random.default_rng(seed)
    numbers, leaves = np.unique(regions, return_inverse=True)
    # By merge: the leaves first, then unions; turned round, parents come first.
    waiting, parents = list(range(numbers.size)), [NO_PARENT] * (2 * numbers.size - 1)
    for union in range(numbers.size, len(parents)):
        for _ in range(2):
            parents[waiting.pop(rng.integers(len(waiting)))] = union
        waiting.append(union)
    last = len(parents) - 1
    turned = [NO_PARENT if x < 0 else last - x for x in parents[::-1]]
    depths: list[int] = []
    for parent in turned:
        depths.append(0 if parent < 0 else depths[parent] + 1)
    costs = [0, *np.sort(rng.random(last)).tolist()]
    return make_tree(last - leaves.reshape(regions.shape), turned, depths, costs)


@st.composite
def region_trees(draw, *, max_side: int = 20, max_splits: int = 8):
    """Trees of any shape: one node, chains, ties, padding, one row, one column."""
    return random_tree(
        draw(st.integers(0, 2**32 - 1)),
        height=draw(st.integers(1, max_side)),
        width=draw(st.integers(1, max_side)),
        num_splits=draw(st.integers(0, max_splits)),
        max_children=draw(st.integers(2, 4)),
        padding=draw(st.integers(0, 5)),
        tied_costs=draw(st.booleans()),
    )
