"""The dense CRF by itself.

Probabilities of labels may come from anywhere. Here they are those of a rough ellipse
with noise; the CRF moves them to the edges of the image, as pydensecrf does, without a
compiler.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data, draw

from uhseg_jax.refinement import dense_crf

image = data.coffee()
rough = np.full(image.shape[:2], 0.3)
rough[draw.ellipse(206, 284, 186, 195, rough.shape)] = 0.7
noise = np.random.default_rng(0).normal(size=rough.shape)
inside = (rough + 0.1 * noise).clip(0.01, 0.99)
unary = -np.log(np.stack([1 - inside, inside], axis=-1)).astype(np.float32)

constants = dense_crf.PRESETS["cutler"]
marginals = dense_crf.mean_field(unary, image, constants)  # [H, W, 2]

_, axes = plt.subplots(1, 3, figsize=(12, 3), layout="compressed")
axes[0].imshow(image)
axes[1].imshow(inside, cmap="gray", vmin=0, vmax=1)
axes[1].set_title("probabilities before")
axes[2].imshow(np.where(marginals[..., 1:] > 0.5, image, image // 4 + 190))
axes[2].set_title("above one half after")
for axis in axes:
    axis.axis("off")
plt.show()
