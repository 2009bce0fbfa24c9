"""The upper part of a tree as a diagram: every node a small drawing of its region."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from uhseg_jax.export.colors import node_colors
from uhseg_jax.export.panels import fit
from uhseg_jax.hierarchy.node_table import children_of
from uhseg_jax.hierarchy.placement import require_single
from uhseg_jax.hierarchy.tree import ROOT, RegionTree
from uhseg_jax.types import Float, Int, UInt8

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["tree_diagram"]

_LONGEST = 96  # pixels of a small drawing
_COLUMN, _ROW = 1.0, 1.2  # inches between two nodes
_DRAWING = 0.84  # of a column
_OUTSIDE, _LINE = 236, "#9a9a9a"
_DOTS = 100  # per inch


def tree_diagram(
    tree: RegionTree, *, num_regions: int = 8, notes: Sequence[str] | None = None
) -> Image.Image:
    """Draws the nodes of a tree down to the regions of a cut, in their colours.

    Children hang below their parent, from left to right in the order of the nodes.

        >>> tree_diagram(uhseg_jax.segment("photo.jpg"))  # doctest: +SKIP

    Args:
      tree: one tree.
      num_regions: leaves of the diagram at most, as `RegionTree.cut` takes it.
      notes: what is written under every node of the tree, the root first; None: the
        number of the node and its cost.

    Returns:
      An image, which notebooks display.

    Raises:
      TypeError: the tree is a batch.
      ValueError: there are not as many notes as nodes, or ``num_regions`` is below 1.
    """
    from matplotlib.figure import Figure  # slow to import

    require_single(tree)
    count = int(tree.num_nodes)
    if notes is None:
        costs = np.asarray(tree.costs)
        notes = ["0", *(f"{i}: {costs[i]:.2f}" for i in range(1, count))]
    if len(notes) != count:
        raise ValueError(
            f"expected a note for each of the {count} nodes of the tree, but got "
            f"{len(notes)}."
        )
    shown = np.unique(tree.cut(num_regions=num_regions))
    above = np.asarray(tree.contains())[:count, shown].any(axis=1)
    nodes = np.flatnonzero(above)
    columns = _columns(np.asarray(tree.parents)[:count], nodes)
    depths = np.asarray(tree.depths)[:count]
    width, height = len(shown), int(depths[nodes].max()) + 1
    figure = Figure(figsize=(width * _COLUMN, height * _ROW), dpi=_DOTS)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.axis("off")
    colors = node_colors(tree)
    for node in nodes.tolist():
        place = columns[node], float(depths[node])
        if node != ROOT:
            parent = int(tree.parents[node])
            _line(axes, (columns[parent], float(depths[parent])), place)
        _draw(axes, place, _small(tree, node, colors), notes[node])
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="white")
    return Image.open(file).convert("RGB")


def _columns(
    parents: Int[np.ndarray, " n"], nodes: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " n"]:
    """From left to right: leaves one after the other, parents above their children."""
    is_shown = np.isin(np.arange(parents.size), nodes)
    children = [[x for x in one if is_shown[x]] for one in children_of(parents)]
    columns, waiting, taken = np.zeros(parents.size), [ROOT], 0
    while waiting:
        node = waiting.pop()
        if not children[node]:
            columns[node], taken = taken, taken + 1
        waiting += reversed(children[node])
    for node in nodes[::-1]:  # children come after their parents
        if children[node]:
            columns[node] = np.mean(columns[children[node]])
    return columns


def _small(
    tree: RegionTree, node: int, colors: UInt8[np.ndarray, "n 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The region of a node in its colour, on pale grey."""
    inside = np.asarray(tree.contains())[node][np.asarray(tree.labels)]
    drawn = np.where(inside[..., None], colors[node], np.uint8(_OUTSIDE))
    return fit(drawn, inside.astype(np.int32), longest=_LONGEST)[0]


def _line(axes: "Axes", one: tuple[Any, float], other: tuple[Any, float]) -> None:
    """From a parent down to the height of its children's tops, by a step between."""
    (x, y), (to_x, to_y) = one, other
    middle = (y + to_y) / 2 - 0.01
    axes.plot([x, x, to_x, to_x], [y, middle, middle, to_y], color=_LINE, lw=1.2)


def _draw(
    axes: "Axes", place: tuple[Any, float], drawn: UInt8[np.ndarray, "h w 3"], note: str
) -> None:
    """A small drawing at a place, with its note below."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    zoom = _DRAWING * _COLUMN * 72 / max(drawn.shape)
    box = OffsetImage(drawn, zoom=zoom, interpolation="antialiased")
    axes.add_artist(AnnotationBbox(box, place, frameon=False, pad=0, zorder=3))
    below = place[1] + _DRAWING * _COLUMN * drawn.shape[0] / max(drawn.shape) / 2 / _ROW
    axes.text(
        place[0], below + 0.02, note, ha="center", va="top", fontsize=7, zorder=4,
        parse_math=False,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )  # fmt: skip
