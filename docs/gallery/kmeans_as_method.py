"""K-means as a method.

A method is a function from features to labels, or to several label maps from coarse to
fine, of which the tree is made. Here it is SciPy's k-means with two, four and eight
clusters, on the features of the default backbone; the borders are refined as those of
any method.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.cluster.vq import kmeans2
from skimage import data

import uhseg_jax
from uhseg_jax.export.overlay import overlay


def k_means(features, seed: int = 0):
    flat = features.reshape(-1, features.shape[-1])
    levels = [kmeans2(flat, k, minit="++", rng=seed)[1] for k in (2, 4, 8)]
    return np.reshape(levels, (3, *features.shape[:2]))


image = data.chelsea()
tree = uhseg_jax.segment(image, method=k_means, refine="pamr,crf")
print(tree)

plt.figure(figsize=(9, 6))
plt.imshow(overlay(image, tree, levels=(2, 4, 16)))
plt.axis("off")
plt.show()
