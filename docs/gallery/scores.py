"""Two segmentations scored.

A table counts the pixels that each region shares with each region of the ground truth;
the scores are arithmetic on it. Here the covering of a truth drawn by hand, by cuts of
a tree, and by SLIC of scikit-image, asked for as many regions.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data, draw, segmentation

import uhseg_jax
from uhseg_jax.metrics.contingency import compact, contingency_table
from uhseg_jax.metrics.partitions import covered_pixels

image = data.coffee()
truth = np.zeros(image.shape[:2], int)
truth[draw.ellipse(213, 278, 178, 203, truth.shape)] = 1  # the saucer
truth[draw.ellipse(190, 291, 100, 98, truth.shape)] = 2  # the cup, and its rim
truth[draw.ellipse(117, 291, 100, 118, truth.shape)] = 2

tree, numbers, coverings = uhseg_jax.segment(image), range(1, 25), []
for k in numbers:
    of_one = tree.cut(num_regions=k), segmentation.slic(image, k)
    tables = [contingency_table(compact(labels), truth) for labels in of_one]
    coverings.append([covered_pixels(table) / truth.size for table in tables])

_, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
left.imshow(image)
left.contour(truth, [0.5, 1.5], colors="white")
left.axis("off")
right.plot(numbers, coverings, label=["region_merging", "SLIC"])
right.set(xlabel="regions", ylabel="covering of the truth", ylim=(0, 1))
right.legend()
plt.show()
