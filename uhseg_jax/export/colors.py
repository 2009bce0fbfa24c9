"""Colours for the nodes of a tree: kin have similar ones.

The circle of hues is divided from the root down: every node owns an arc, its children
share that arc, and its own hue is the middle of it. So a region has one colour wherever
it is seen whole, and its parts have hues near its own. Lightness alternates between
siblings and between generations, since arcs get narrow. Colours are made in OKLCH, in
which equal steps look about equal.
"""

import numpy as np

from uhseg_jax.hierarchy.tree import NO_PARENT, ROOT, RegionTree
from uhseg_jax.types import Float, Int, UInt8

__all__ = ["category_colors", "colors_of", "hex_colors", "node_colors"]

_FIRST_HUE = 20.0  # degrees: where the circle is cut open
_LIGHTNESS = (0.70, 0.82, 0.60)  # readable on photographs, none near black or white
_CHROMA = 0.17
_NEUTRAL = (0.75, 0.0)  # lightness and chroma of the root, kin to all hues alike
_GAP = 0.15  # share of an arc left empty between children, so that cousins differ


def node_colors(tree: RegionTree) -> UInt8[np.ndarray, "n 3"]:
    """One sRGB colour for every node; padding is grey like the root.

    Deterministic: it depends on the parents and areas only.

    Args:
      tree: one tree, not a batch.

    Returns:
      uint8 ``[n, 3]``.
    """
    parents = np.asarray(tree.parents)
    return colors_of(parents, tree.areas(), count=int(tree.num_nodes))


def colors_of(
    parents: Int[np.ndarray, " n"],
    areas: Int[np.ndarray, " n"],
    *,
    count: int | None = None,
) -> UInt8[np.ndarray, "n 3"]:
    """As `node_colors`, of what they depend on.

    Args:
      parents: of every node.
      areas: of every node.
      count: how many are nodes; the rest is padding. None: all.
    """
    count = parents.size if count is None else count
    hues = np.zeros(parents.size)
    lightness = np.full(parents.size, _NEUTRAL[0])
    chroma = np.full(parents.size, _NEUTRAL[1])
    weights = _weights(parents[:count], areas[:count])
    hues[:count], steps = _hues_and_steps(parents[:count], weights)
    lightness[1:count] = np.asarray(_LIGHTNESS)[steps[1:] % len(_LIGHTNESS)]
    chroma[1:count] = _CHROMA
    return _srgb(lightness, chroma, hues)


def category_colors(count: int) -> UInt8[np.ndarray, "n 3"]:
    """Black for the background, and one colour for every category from 1.

    Depends on the number of categories alone: they are the same in every image.
    """
    n = count + 1
    flat = RegionTree(
        labels=np.arange(1, n, dtype=np.int32)[None, :],
        parents=np.where(np.arange(n) == 0, NO_PARENT, 0).astype(np.int32),
        num_nodes=np.asarray(n, np.int32),
        depths=np.minimum(np.arange(n), 1).astype(np.int32),
        costs=np.zeros(n, np.float32),
    )
    colors = node_colors(flat) if count else np.zeros((1, 3), np.uint8)
    colors[0] = 0
    return colors


def hex_colors(colors: UInt8[np.ndarray, "n 3"]) -> list[str]:
    """The same colours as web pages write them, ``#rrggbb``."""
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colors.tolist()]


def _weights(
    parents: Int[np.ndarray, " n"], areas: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """What share of its parent's arc a node deserves.

    Half for its area, half for the number of leaves that must find room in it. The
    square root keeps small parts, seen early, apart from each other.
    """
    leaves = (~np.isin(np.arange(parents.size), parents)).astype(np.int64)
    for node in range(parents.size - 1, ROOT, -1):
        leaves[parents[node]] += leaves[node]
    return np.sqrt(areas / max(1, areas[ROOT]) + leaves / max(1, leaves[ROOT]))


def _hues_and_steps(
    parents: Int[np.ndarray, " n"], weights: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Middle of every node's arc in degrees, and its step on the lightness ladder."""
    low, high = np.zeros(parents.size), np.full(parents.size, 360.0)
    steps = np.zeros(parents.size, np.int64)
    for node in np.unique(parents[parents != NO_PARENT]):
        children = np.flatnonzero(parents == node)
        ends = np.cumsum(weights[children]) / weights[children].sum()
        starts = np.concatenate([[0.0], ends[:-1]])
        # The root's arc is the whole circle, whose ends meet; gaps are on both sides.
        margin = _GAP / 2 * (ends - starts)
        width = high[node] - low[node]
        low[children] = low[node] + width * (starts + margin)
        high[children] = low[node] + width * (ends - margin)
        # The first child keeps its parent's lightness, unless that is the root's.
        steps[children] = steps[node] + np.arange(children.size)
    return (_FIRST_HUE + (low + high) / 2) % 360, steps


def _srgb(
    lightness: Float[np.ndarray, " n"],
    chroma: Float[np.ndarray, " n"],
    hues: Float[np.ndarray, " n"],
) -> UInt8[np.ndarray, "n 3"]:
    """OKLCH to sRGB; chroma is lowered until the colour exists on a screen."""
    shares = np.linspace(1, 0, 33)  # of the chroma asked for; grey always exists
    linear = _linear_rgb(
        lightness[:, None], chroma[:, None] * shares, np.radians(hues)[:, None]
    )
    exists = ((linear > -1e-4) & (linear < 1 + 1e-4)).all(axis=-1)
    first = exists.argmax(axis=1)
    linear = np.clip(linear[np.arange(hues.size), first], 0, 1)
    low, high = 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    return np.rint(255 * np.where(linear <= 0.0031308, low, high)).astype(np.uint8)


def _linear_rgb(
    lightness: Float[np.ndarray, " n #c"],
    chroma: Float[np.ndarray, "n c"],
    hue: Float[np.ndarray, " n #c"],
) -> Float[np.ndarray, "n c 3"]:
    """OKLCH to linear sRGB (Ottosson, 2020), not clipped."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    cones = np.stack([long, medium, short], axis=-1)
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return cones @ to_rgb.T
