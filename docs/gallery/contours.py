"""Contours of all cuts at once.

An ultrametric contour map holds a whole tree in one image: every border with the
strength of the split that made it. What lies above a threshold is the closed contours
of a cut.
"""

import matplotlib.pyplot as plt
from skimage import data

import uhseg_jax

image = data.coffee()
tree = uhseg_jax.segment(image)
strengths = tree.ultrametric().image()  # [H, W], from 0 to 1

_, axes = plt.subplots(2, 2, figsize=(11, 7.6), layout="compressed")
axes[0, 0].imshow(image)
axes[0, 1].imshow(strengths, cmap="magma_r", interpolation="nearest")
axes[0, 1].set_title("strengths of the contours")
for axis, cost in zip(axes[1], (0.35, 0.6)):
    axis.imshow(strengths > 1 - cost, cmap="gray_r", interpolation="nearest")
    axis.set_title(f"above {1 - cost:.2f}: the borders of cut(cost={cost})")
for axis in axes.flat:
    axis.axis("off")
plt.show()
