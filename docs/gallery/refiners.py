"""Refiners on one tree.

The leaves of a tree of patches have borders in steps. Each refiner moves them to the
edges of the image in its own way, and regions stay nested. `segment(image, refine=...)`
does the same in one call.
"""

import matplotlib.pyplot as plt
from skimage import data

import uhseg_jax
from uhseg_jax.export.colors import node_colors
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.refine import refine
from uhseg_jax.refinement.refiners import parse_refiners

image = data.astronaut()[:280, 80:400]
features = uhseg_jax.extract_features(image, image_size=336)  # [24, 24, d]
on_patches = uhseg_jax.segment_features(features).prune(num_regions=6)

_, axes = plt.subplots(2, 3, figsize=(10, 6.2), layout="compressed")
axes[0, 0].imshow(image)
for axis, names in zip(axes.flat[1:], ("none", "upsample", "pamr", "crf", "pamr,crf")):
    tree = refine(on_patches, features, image, Refinement(parse_refiners(names)))
    axis.imshow(node_colors(tree)[tree.labels])
    axis.set_title(names)
for axis in axes.flat:
    axis.axis("off")
plt.show()
