"""Features as colours.

The three directions in which the features of an image vary most, as red, green and
blue. Patches of one thing have one colour before anything is segmented: this is what
the methods work on.
"""

import matplotlib.pyplot as plt
from skimage import data

import uhseg_jax
from uhseg_jax.features import pca_colors

images = [data.astronaut(), data.coffee(), data.chelsea()]
_, axes = plt.subplots(2, 3, figsize=(10, 5.4), layout="compressed")
for (above, below), image in zip(axes.T, images):
    height, width, _ = image.shape
    features = uhseg_jax.extract_features(image, image_size=518)  # [37, 37, d]
    above.imshow(image)
    below.imshow(pca_colors(features), extent=(0, width, height, 0))
    above.axis("off")
    below.axis("off")
plt.show()
