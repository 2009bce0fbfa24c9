"""The methods side by side.

Three methods on one image, each with its own defaults, cut into at most ten regions:
ours, and two of papers. The fourth, `multilevel_clustering`, learns from a whole
collection and is no use for one image.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import uhseg_jax
from uhseg_jax.export.colors import node_colors

image = data.astronaut()
names = ("region_merging", "recursive_spectral", "diffusion_walk")

_, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="compressed")
axes[0].imshow(image)
for axis, name in zip(axes[1:], names):
    tree = uhseg_jax.segment(image, method=name)
    cut = tree.cut(num_regions=10)
    axis.imshow(node_colors(tree)[cut])
    axis.set_title(name)
    print(f"{name}: {tree}; {len(np.unique(cut))} regions shown")
for axis in axes:
    axis.axis("off")
plt.show()
