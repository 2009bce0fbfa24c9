"""A COCO file, written and read back.

Trees that were saved are exported by the function behind the command `uhseg-export`:
here the disjoint regions of a cut, as annotations that pycocotools opens and draws.
"""

import matplotlib.pyplot as plt
import numpy as np
from pycocotools.coco import COCO
from skimage import data, io

import uhseg_jax
from uhseg_jax.cli import export

io.imsave("rocket.png", data.rocket())
uhseg_jax.segment("rocket.png").save("rocket.npz")
export.main("uhseg-export . --format=coco --flat --num_regions=12".split())

coco = COCO("exports/coco.json")
annotations = coco.loadAnns(coco.getAnnIds())
for x in annotations[:4]:
    print({field: x[field] for field in ("id", "area", "bbox", "cost")})

np.random.seed(4)  # of the colours that pycocotools draws at random
plt.figure(figsize=(8, 5.4))
plt.imshow(data.rocket())
coco.showAnns(annotations)
plt.axis("off")
plt.show()
