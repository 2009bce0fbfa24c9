"""A table of all regions.

`nodes` has a row for every region: its parent, depth, cost, area, box, centroid and
children. It is a pandas.DataFrame where pandas is installed, or else a numpy array with
the same columns, which the `csv` module writes as well.
"""

import csv
import sys

import matplotlib.pyplot as plt
from skimage import data

import uhseg_jax

nodes = uhseg_jax.segment(data.astronaut()).nodes
names = ["id", "parent", "depth", "cost", "area", "x", "y", "width", "height"]
rows = zip(*(nodes[x].tolist() for x in names))
writer = csv.writer(sys.stdout, lineterminator="\n")
writer.writerow(names)
writer.writerows([round(x, 3) for x in row] for row in [*rows][:8])

plt.figure(figsize=(7, 3.6))
plt.scatter(nodes["area"], nodes["cost"], c=nodes["depth"], cmap="viridis", s=18)
plt.xscale("log")
plt.xlabel("area, pixels")
plt.ylabel("cost of the split that made it")
plt.colorbar(label="depth")
plt.show()
