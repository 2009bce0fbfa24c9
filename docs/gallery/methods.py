"""The methods side by side.

Three methods on the same 37 x 37 patches of one image, with their own defaults else,
cut into at most ten regions: ours, and two of papers. The fourth, multilevel
clustering, learns from many images and is no use for one.
"""

import dataclasses

import matplotlib.pyplot as plt
from skimage import data

import uhseg_jax
from uhseg_jax.export.colors import node_colors
from uhseg_jax.methods import METHODS

image = data.astronaut()
names = ("region_merging", "recursive_spectral", "diffusion_walk")

_, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="compressed")
axes[0].imshow(image)
for axis, name in zip(axes[1:], names):
    config = METHODS[name].config()
    request = dataclasses.replace(config.request, grid=37)
    config = dataclasses.replace(config, request=request)
    tree = uhseg_jax.segment(image, method=name, config=config)
    axis.imshow(node_colors(tree)[tree.cut(num_regions=10)])
    axis.set_title(name)
    print(f"{name}: {tree}")
for axis in axes:
    axis.axis("off")
plt.show()
