"""Facets and blocks of a backbone.

How similar every patch is to one patch, the one on the astronaut's nose. Tokens,
queries, keys and values of early blocks see places and colours, those of late blocks
things. One pass through the backbone answers all requests.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

from uhseg_jax import backbones

image = data.astronaut()[:504, :504]
facets, blocks = ("token", "query", "key", "value"), (2, 6, 9, 11)
requests = [backbones.FeatureRequest(x, block=y) for x in facets for y in blocks]
backbone = backbones.load_backbone("dinov2_vits14_focus")
answers = backbones.forward_features(backbone, image[None], requests=tuple(requests))

_, axes = plt.subplots(4, 4, figsize=(8, 8.4), layout="compressed")
for axis, request, (features,) in zip(axes.flat, requests, answers):
    unit = features / np.linalg.norm(features, axis=-1, keepdims=True)
    axis.imshow(unit @ unit[9, 16])  # cosine similarities [h, w]
    axis.set_title(f"{request.facet}, block {request.block}")
    axis.axis("off")
plt.show()
