"""Levels of one tree.

A tree holds every number of regions, and nothing is computed again between them. A
finer cut never crosses a border of a coarser one; a region keeps its colour as long as
it is whole, and its parts get colours near its own.
"""

import matplotlib.pyplot as plt
from skimage import data

import uhseg_jax
from uhseg_jax.export.overlay import overlay

image = data.astronaut()
tree = uhseg_jax.segment(image)
print(tree)

plt.figure(figsize=(8, 6))
plt.imshow(overlay(image, tree, levels=(2, 4, 8, 16, 32)))
plt.axis("off")
plt.show()
