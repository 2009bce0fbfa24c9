"""Proposals for objects.

Every region of the tree, and unions of two that touch, are candidates for objects. A
score ranks them without classes: how long a region stays whole from cut to cut, its
size, and how much of its outline lies inside the image.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import uhseg_jax

image = data.coffee()
proposals = uhseg_jax.segment(image).proposals(8, max_iou=0.7)

_, axes = plt.subplots(2, 4, figsize=(11, 4.4), layout="compressed")
ranked = zip(axes.flat, proposals.masks(), proposals.scores)
for rank, (axis, mask, score) in enumerate(ranked, start=1):
    axis.imshow(np.where(mask[..., None], image, image // 4 + 190))
    axis.set_title(f"{rank}: score {score:.3f}")
    axis.axis("off")
plt.show()
