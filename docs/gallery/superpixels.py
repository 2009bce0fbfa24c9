"""Superpixels.

The default method divides an image into superpixels that keep to its edges, and takes
the mean of the features over each. Regions are unions of them, so their borders are
those of the image at any number of regions.
"""

import matplotlib.pyplot as plt
from skimage import data
from skimage.color import label2rgb
from skimage.segmentation import mark_boundaries

from uhseg_jax.superpixels import SuperpixelConfig, superpixels_of

image = data.astronaut()[:256, 64:384]

_, axes = plt.subplots(2, 3, figsize=(11, 5.8), layout="compressed")
for (above, below), count in zip(axes.T, (100, 400, 1600)):
    found = superpixels_of(image, (37, 37), SuperpixelConfig(count=count))
    above.imshow(mark_boundaries(image, found.labels))
    above.set_title(f"count={count}: {found.labels.max() + 1} superpixels")
    below.imshow(label2rgb(found.labels, image, kind="avg", bg_label=-1))
    above.axis("off")
    below.axis("off")
plt.show()
