"""Eigenvectors of the affinity.

What normalised cuts see: the leading eigenvectors of the graph of all patches, each
nearly constant on patches that belong together. The solver needs products alone, so
the matrix of all pairs is never made.
"""

import jax.numpy as jnp
import matplotlib.pyplot as plt
from skimage import data

import uhseg_jax
from uhseg_jax.spectral.affinity import CosineAffinity
from uhseg_jax.spectral.eigen import leading_eigenvectors

image = data.astronaut()
features = jnp.asarray(uhseg_jax.extract_features(image, image_size=518))
graph = CosineAffinity.from_features(features.reshape(-1, features.shape[-1]))
found = leading_eigenvectors(graph, 8)
print("eigenvalues:", *(f"{x:.3f}" for x in found.values))
print(f"largest residual: {found.residuals.max():.0e}")

_, axes = plt.subplots(2, 4, figsize=(10, 5.4), layout="compressed")
axes[0, 0].imshow(image)
for i in range(1, 8):  # the first varies with the degrees alone
    vector = found.vectors[:, i].reshape(features.shape[:2])
    axes.flat[i].imshow(vector, cmap="coolwarm")
    axes.flat[i].set_title(f"eigenvector {i + 1}")
for axis in axes.flat:
    axis.axis("off")
plt.show()
