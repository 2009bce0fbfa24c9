"""A dendrogram by SciPy.

`to_linkage` gives the tree as SciPy has hierarchies. The leaves of the drawing are the
regions, in their colours; the height of a bar is 1 less the cost of its split.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.cluster.hierarchy import dendrogram
from scipy.ndimage import distance_transform_edt
from skimage import data

import uhseg_jax
from uhseg_jax.export.colors import node_colors

tree = uhseg_jax.segment(data.astronaut()).prune(num_regions=12)
colors, leaves = node_colors(tree), np.flatnonzero(tree.is_leaf())

_, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
left.imshow(colors[tree.labels])
for leaf in leaves:  # its number where it is widest
    depths = distance_transform_edt(np.pad(tree.labels == leaf, 1))
    y, x = np.unravel_index(depths.argmax(), depths.shape)
    left.text(x - 1, y - 1, leaf, ha="center", va="center")
left.axis("off")
dendrogram(tree.to_linkage(), ax=right, labels=leaves, link_color_func=lambda _: "gray")
for label in right.get_xticklabels():
    label.set_backgroundcolor(colors[int(label.get_text())] / 255)
right.set_ylabel("1 - cost")
plt.show()
