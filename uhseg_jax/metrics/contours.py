"""F of DAVIS: how well contours of regions and of objects agree; see `davis`."""

import dataclasses

import numpy as np

from uhseg_jax.metrics.curves import f_measure
from uhseg_jax.types import Float, Int, Integer

__all__ = ["accuracies"]

_TOLERANCE = 0.008  # of contours, as a share of the diagonal


def accuracies(
    regions: Integer[np.ndarray, "h w"],
    objects: Integer[np.ndarray, "h w"],
    num_regions: int,
    num_objects: int,
) -> Float[np.ndarray, "p k"]:
    """F of every region with every object of a frame.

    Args:
      regions: the region of every pixel, from 1; 0 where there is none, never less.
      objects: the object of every pixel, likewise.
      num_regions: how many regions there are.
      num_objects: how many objects.
    """
    radius = int(np.ceil(_TOLERANCE * np.hypot(*regions.shape)))
    one, other = _Contours.of(regions, num_regions), _Contours.of(objects, num_objects)
    precise = one.near(other, radius)
    recalled = other.near(one, radius).T
    n, m = one.sizes()[:, None], other.sizes()[None, :]
    # Of nothing, all is right.
    precision = np.where(n > 0, precise / np.maximum(n, 1), 1.0)
    recall = np.where(m > 0, recalled / np.maximum(m, 1), 1.0)
    # Where only one of them shows a contour, the other one's share is 0.
    return f_measure(recall, precision)


@dataclasses.dataclass(frozen=True)
class _Contours:
    """The contours of the regions of a map, those from 1 on.

    A pixel is on the contour of a region if the square of four of which it is the upper
    left one lies partly in it.

    Attributes:
      pixels: ``[v]``, places in the map, one for each region that has it.
      owners: ``[v]``, these regions, from 0.
      shape: of the map.
      count: of the regions.
    """

    pixels: Int[np.ndarray, " v"]
    owners: Int[np.ndarray, " v"]
    shape: tuple[int, int]
    count: int

    @classmethod
    def of(cls, labels: Integer[np.ndarray, "h w"], count: int) -> "_Contours":
        around = np.pad(labels, [(0, 1), (0, 1)], mode="edge").astype(np.int64)
        four = np.stack(
            [around[:-1, :-1], around[:-1, 1:], around[1:, :-1], around[1:, 1:]]
        ).reshape(4, -1)
        pixels = np.flatnonzero((four != four[0]).any(axis=0))
        keys = np.unique(pixels * (count + 1) + four[:, pixels])
        pixels, owners = np.divmod(keys, count + 1)
        inside = owners > 0
        height, width = labels.shape
        return cls(pixels[inside], owners[inside] - 1, (height, width), count)

    def sizes(self) -> Int[np.ndarray, " c"]:
        """Pixels of every contour."""
        return np.bincount(self.owners, minlength=self.count)

    def near(self, others: "_Contours", radius: int) -> Int[np.ndarray, "c o"]:
        """Pixels of each of these contours that lie near each of the others."""
        height, width = self.shape
        wide = width + 2 * radius
        rows, columns = np.divmod(self.pixels, width)
        own = (rows + radius) * wide + columns + radius
        rows, columns = np.divmod(others.pixels, width)
        centres = (rows + radius) * wide + columns + radius
        down, right = np.mgrid[-radius : radius + 1, -radius : radius + 1]
        disc = (down * wide + right)[down**2 + right**2 <= radius**2]
        found = np.zeros((self.count, others.count), np.int64)
        for owner in np.unique(others.owners):
            reached = np.zeros((height + 2 * radius) * wide, bool)
            reached[centres[others.owners == owner, None] + disc] = True
            found[:, owner] = np.bincount(
                self.owners[reached[own]], minlength=self.count
            )
        return found
