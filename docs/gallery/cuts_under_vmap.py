"""Cuts under jit and vmap.

A tree is a pytree of arrays of fixed length, and a cut is a pure function of it. So
cuts take part in programs of JAX: here 100 cuts of every tree of a batch are counted in
one program.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import uhseg_jax

images = [data.retina(), data.coffee(), data.astronaut()]
features = [uhseg_jax.extract_features(x, image_size=336) for x in images]
trees = uhseg_jax.segment_features(np.stack(features))  # of [b, h, w, d]


def count(tree, cost):
    regions = tree.cut(cost=cost)  # int32 [h, w], each a node
    return jnp.sum(jnp.bincount(regions.ravel(), length=tree.parents.size) > 0)


costs = jnp.linspace(0, 1, 100)
counts = jax.vmap(jax.vmap(count, in_axes=(None, 0)), in_axes=(0, None))
counted = jax.jit(counts)(jax.device_put(trees), costs)
print("counts:", counted.shape, counted.dtype)

plt.figure(figsize=(7, 3.6))
plt.plot(costs, counted.T, label=["retina", "coffee", "astronaut"])
plt.xlabel("cost of the cut")
plt.ylabel("regions")
plt.legend()
plt.show()
