"""Masks of the largest regions.

`regions` takes from a tree what is wanted: here the disjoint regions of a cut of
twenty, each in one piece and at least one hundredth of the image.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import uhseg_jax

image = data.astronaut()
tree = uhseg_jax.segment(image)
regions = tree.regions(num_regions=20, flat=True, connected=True, min_area=0.01)
largest = np.argsort(-regions.areas())[:8]
print("areas in pixels:", *regions.areas()[largest])

_, axes = plt.subplots(2, 4, figsize=(10, 5.4), layout="compressed")
for axis, mask in zip(axes.flat, regions.masks()[largest]):  # bool [H, W]
    axis.imshow(np.where(mask[..., None], image, image // 5 + 190))
    axis.set_title(f"{mask.mean():.1%} of the image")
    axis.axis("off")
plt.show()
