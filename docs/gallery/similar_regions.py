"""Similar regions in another image.

Every region gets the mean of the features inside it. By these, the regions of any
image can be searched for those that look like one. Above, three regions of a motorcycle
seen from the left; below, what is most similar to each seen from the right.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import uhseg_jax

left, right, _ = data.stereo_motorcycle()
one, other = (
    uhseg_jax.DescribedTree.of(uhseg_jax.segment(x), uhseg_jax.extract_features(x))
    for x in (left, right)
)
places = [(360, 610), (200, 200), (20, 250)]  # a wheel, the seat, a door

_, axes = plt.subplots(2, 3, figsize=(11, 5.4), layout="compressed")
for (above, below), (y, x) in zip(axes.T, places):
    node = one.tree.cut(num_regions=16)[y, x]
    (found,) = uhseg_jax.similar_regions(one, node, [other], k=1, margin=0)
    below.set_title(f"similarity {found.similarity:.2f}")
    mask, found_mask = one.tree.masks()[node], other.tree.masks()[found.node]
    for axis, image, seen in ((above, left, mask), (below, right, found_mask)):
        axis.imshow(np.where(seen[..., None], image, image // 4 + 190))
        axis.axis("off")
plt.show()
