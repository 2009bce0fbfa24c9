"""Polygons with common borders.

Borders are simplified, not regions, and each only once. So the polygons of neighbours
meet without gaps or overlaps, at any tolerance.
"""

import matplotlib.pyplot as plt
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from skimage import data

import uhseg_jax

image = data.coffee()
regions = uhseg_jax.segment(image).regions(num_regions=10, flat=True)

_, axes = plt.subplots(1, 3, figsize=(12, 2.9), layout="compressed")
for axis, tolerance in zip(axes, (0, 2, 8)):
    axis.imshow(image, alpha=0)
    points = 0
    for index, polygons in enumerate(regions.polygons(tolerance)):
        for polygon in polygons:
            rings = [Path(x, closed=False) for x in polygon.rings]
            points += sum(len(x) for x in polygon.rings)
            outline = Path.make_compound_path(*rings)
            axis.add_patch(PathPatch(outline, fc=f"C{index}", ec="black", lw=0.6))
    axis.set_title(f"tolerance={tolerance}: {points:,} points")
    axis.axis("off")
plt.show()
