"""Drawings of what the default method finds in the scene, as elements of an SVG.

All are in pixels of the scene.
"""

from collections.abc import Iterable

import numpy as np
import scene

import uhseg_jax
from uhseg_jax.export.colors import hex_colors, node_colors
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.methods import region_merging
from uhseg_jax.outlines.polygons import Polygon
from uhseg_jax.superpixels import SuperpixelConfig, Superpixels

__all__ = [
    "OBJECTS",
    "PARTS",
    "draw_cuts",
    "draw_features",
    "draw_superpixels",
    "draw_tree",
]

OBJECTS, PARTS = 8, 24
_SUPERPIXELS = 220  # fewer than the default 780, to be seen
_MODEL_SIDE = 518  # pixels: 37 x 37 patches of 14


def principal_colors(features: np.ndarray) -> np.ndarray:
    """The three leading principal components of features as uint8 ``[h, w, 3]``."""
    h, w, d = features.shape
    flat = features.reshape(h * w, d)
    centred = flat - flat.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:3]
    axes *= np.sign(axes.sum(1, keepdims=True))
    values = centred @ axes.T
    low, high = np.percentile(values, [2, 98], axis=0)
    shares = np.clip((values - low) / (high - low), 0, 1)
    return (40 + 200 * shares).astype(np.uint8).reshape(h, w, 3)


def superpixels(image: np.ndarray) -> Superpixels:
    """Those of the default method, fewer."""
    config = region_merging.Config(
        superpixels=SuperpixelConfig(count=_SUPERPIXELS, contrast_scales=(1.5, 2, 3))
    )
    return region_merging.prepare(image, (37, 37), config)


def path(polygons: Iterable[Polygon]) -> str:
    """Commands that draw the outlines of a region, holes included."""
    return "".join(
        "M" + "L".join(f"{x} {y}" for x, y in ring.tolist()) + "Z"
        for polygon in polygons
        for ring in polygon.rings
    )


def draw_features(image: np.ndarray) -> str:
    """A square for every patch, in the colours of principal components."""
    features = uhseg_jax.extract_features(
        image, block=-4, image_size=_MODEL_SIDE, dtype="float32"
    )
    colors = principal_colors(features)[::2, ::2]  # every second is enough to see
    h, w, _ = colors.shape
    width, height = scene.SIZE[0] / w, scene.SIZE[1] / h
    names = hex_colors(colors.reshape(-1, 3))
    return "".join(
        f'<rect x="{i % w * width:.1f}" y="{i // w * height:.1f}" '
        f'width="{width - 1.5:.1f}" height="{height - 1.5:.1f}" fill="{name}"/>'
        for i, name in enumerate(names)
    )


def draw_superpixels(image: np.ndarray) -> str:
    """Superpixels in the mean colours of the image; on the right the graph of them."""
    found = superpixels(image)
    labels = found.labels
    count = int(labels.max()) + 1
    regions = RegionTree.flat(labels + 1, count + 1).regions(
        num_regions=count, flat=True
    )
    fills, centres = [], []
    for k in range(count):
        y, x = np.nonzero(labels == k)
        fills.append(image[y, x].mean(0).round().astype(np.uint8))
        centres.append((x.mean(), y.mean()))
    names = hex_colors(np.stack(fills))
    order = regions.nodes - 1  # node k + 1 is superpixel k
    cells = "".join(
        f'<path d="{path(polygons)}" fill="{names[k]}"/>'
        for k, polygons in zip(order, regions.polygons(tolerance=1.0), strict=True)
    )
    edges = found.graph.edges[np.asarray(found.graph.lengths) > 0]
    right = {k for k, (x, _) in enumerate(centres) if x > scene.SIZE[0] / 2}
    lines = "".join(
        f"M{centres[a][0]:.0f} {centres[a][1]:.0f}L{centres[b][0]:.0f} "
        f"{centres[b][1]:.0f}"
        for a, b in edges.tolist()
        if right >= {a, b}
    )
    dots = "".join(
        f'<circle cx="{centres[k][0]:.0f}" cy="{centres[k][1]:.0f}" r="4"/>'
        for k in sorted(right)
    )
    return (
        f'<g stroke="#fff" stroke-width="1.5">{cells}</g>'
        f'<path d="{lines}" stroke="#222" stroke-width="1.5"/>'
        f'<g fill="#222">{dots}</g>'
    )


def draw_cuts(tree: RegionTree) -> str:
    """Objects in their colours, with thin lines between parts."""
    names = hex_colors(node_colors(tree))
    fine = tree.regions(num_regions=PARTS, flat=True)
    coarse = tree.regions(num_regions=OBJECTS, flat=True)
    parts = "".join(path(polygons) for polygons in fine.polygons(tolerance=1.0))
    objects = "".join(
        f'<path d="{path(polygons)}" fill="{names[node]}" fill-rule="evenodd"/>'
        for node, polygons in zip(
            coarse.nodes, coarse.polygons(tolerance=1.0), strict=True
        )
    )
    return (
        f'<g stroke="#222" stroke-width="4">{objects}</g>'
        f'<path d="{parts}" fill="none" stroke="#222" stroke-width="1.5" '
        'stroke-dasharray="5 4"/>'
    )


def draw_tree(tree: RegionTree) -> str:
    """The root, the objects and the parts as circles, in the colours of the regions."""
    names = hex_colors(node_colors(tree))
    parents = np.asarray(tree.parents)
    rows = [
        [0],
        tree.regions(num_regions=OBJECTS, flat=True).nodes.tolist(),
        tree.regions(num_regions=PARTS, flat=True).nodes.tolist(),
    ]

    def lineage(node: int) -> list[int]:
        return [node] if node == 0 else [*lineage(int(parents[node])), node]

    leaves = sorted(rows[2], key=lineage)
    objects = [next(n for n in lineage(leaf) if n in rows[1]) for leaf in leaves]
    slots = np.arange(len(leaves)) + np.cumsum(
        np.diff(objects, prepend=objects[0]) != 0
    )
    x = dict(zip(leaves, (20 + 440 * slots / slots[-1]).tolist(), strict=True))
    places: dict[tuple[int, int], tuple[float, float]] = {}
    for level, (nodes, y) in enumerate(zip(rows, (42, 150, 270), strict=True)):
        for node in nodes:
            below = [x[leaf] for leaf in leaves if node in lineage(leaf)]
            places[level, node] = (sum(below) / len(below), y)
    lines, dots = "", ""
    for (level, node), (at, y) in places.items():
        if level:
            (above,) = (n for n in rows[level - 1] if n in lineage(node))
            top, start = places[level - 1, above]
            lines += f"M{top:.0f} {start}C{top:.0f} {start + 60} {at:.0f} {y - 60} "
            lines += f"{at:.0f} {y}"
        radius = (22, 13, 7)[level]
        fill = names[node]
        dots += f'<circle cx="{at:.0f}" cy="{y}" r="{radius}" fill="{fill}"/>'
    return (
        f'<path d="{lines}" class="line"/><g class="line" stroke-width="2">{dots}</g>'
    )
