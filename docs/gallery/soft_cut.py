"""Gradients of a soft cut.

`soft_ncut` gives the normalised cuts of groups to which patches belong in part, and can
be differentiated. Here the memberships of four groups begin at random and follow the
signs of the gradient to where the cuts cost less; no eigenvector is needed.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
from skimage import data

import uhseg_jax
from uhseg_jax.spectral.affinity import CosineAffinity
from uhseg_jax.spectral.soft_ncut import soft_ncut

features = jnp.asarray(uhseg_jax.extract_features(data.astronaut(), image_size=518))
graph = CosineAffinity.from_features(features.reshape(37 * 37, -1))

cost = jax.value_and_grad(lambda x: soft_ncut(graph, jax.nn.softmax(x)).sum())


def descend(logits, _):
    value, gradient = cost(logits)
    return logits - 0.1 * jnp.sign(gradient), value


start = jax.random.normal(jax.random.key(0), (37 * 37, 4))
logits, costs = jax.lax.scan(descend, start, length=100)

_, axes = plt.subplots(1, 5, figsize=(13, 2.7), layout="constrained")
for axis, group in zip(axes, jax.nn.softmax(logits).T):
    axis.imshow(group.reshape(37, 37), vmin=0, vmax=1)
    axis.axis("off")
axes[4].plot(costs)
axes[4].set(xlabel="step", ylabel="sum of the cuts")
plt.show()
