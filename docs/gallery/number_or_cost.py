"""A number of regions, or a cost.

`cut(num_regions=6)` asks every image for six regions. `cut(cost=0.45)` opens every
split below that cost, so the image decides: a plain one has few regions, a crowded one
many.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import uhseg_jax
from uhseg_jax.export.colors import node_colors

images = [data.retina()[::3, ::3], data.coffee(), data.stereo_motorcycle()[0]]
_, axes = plt.subplots(3, 3, figsize=(9, 6.6), layout="compressed")
for column, image in zip(axes.T, images):
    tree = uhseg_jax.segment(image)
    colors = node_colors(tree)
    six, by_cost = tree.cut(num_regions=6), tree.cut(cost=0.45)
    for axis, shown in zip(column, [image, colors[six], colors[by_cost]]):
        axis.imshow(shown)
        axis.axis("off")
    column[1].set_title("num_regions=6")
    column[2].set_title(f"cost=0.45: {len(np.unique(by_cost))} regions")
plt.show()
