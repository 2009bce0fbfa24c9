"""Your own features.

`segment_features` takes features of anything, `[h, w, d]`: here histograms of the
colours in every cell of 48 x 72. They know no objects, so the tree is one of colours;
beside it that of the default backbone.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import uhseg_jax
from uhseg_jax.export.colors import node_colors

image = data.coffee()[:384, :576]
cells = image.reshape(48, 8, 72, 8, 3).swapaxes(1, 2).reshape(48, 72, 64, 3)
bins = (cells // 64) @ np.array([16, 4, 1])  # each channel in four
histograms = (bins[..., None] == np.arange(64)).mean(axis=2)  # [48, 72, 64]

of_colors = uhseg_jax.segment_features(histograms, image=image)
of_backbone = uhseg_jax.segment(image)

_, axes = plt.subplots(1, 3, figsize=(12, 3), layout="compressed")
axes[0].imshow(image)
for axis, tree in zip(axes[1:], (of_colors, of_backbone)):
    axis.imshow(node_colors(tree)[tree.cut(num_regions=8)])
axes[1].set_title("histograms of colours")
axes[2].set_title("DINOv2")
for axis in axes:
    axis.axis("off")
plt.show()
