"""Regions through time: do they last, do they flicker?

A tube is a region of a clip: the pixels that it has in all frames. Whether tubes follow
objects is for `tube_covering`.
"""

import dataclasses

import numpy as np

from uhseg_jax.metrics import states
from uhseg_jax.metrics.contingency import require_same_size
from uhseg_jax.types import Bool, Float, Int, Integer

__all__ = [
    "Tubes",
    "changed_points",
    "flicker",
    "tubes_of",
]

# -- how long they last ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Tubes:
    """The regions of one segmentation of a clip, through its frames.

    Attributes:
      ids: ``[k]``, their labels, in order.
      first: ``[k]``, the first frame that shows each.
      last: ``[k]``, the last one.
      frames: ``[k]``, how many frames show it.
      areas: ``[k]``, its pixels in all frames.
      num_frames: of the clip.
    """

    ids: Int[np.ndarray, " k"]
    first: Int[np.ndarray, " k"]
    last: Int[np.ndarray, " k"]
    frames: Int[np.ndarray, " k"]
    areas: Int[np.ndarray, " k"]
    num_frames: int

    @property
    def lengths(self) -> Int[np.ndarray, " k"]:
        """Frames from the first to the last one that shows each."""
        return self.last - self.first + 1

    def row(self) -> dict[str, float]:
        """Their number and how long they last, flat, for a table of clips.

        ``tubes``; ``tube_frames``, the mean number of frames that show one; and
        ``tube_share``, the share of the frames in which the region of a pixel is
        seen, mean over the pixels of the clip. NaN where there is no region.
        """
        seen = self.frames @ self.areas
        return {
            "tubes": float(len(self.ids)),
            "tube_frames": float(states.ratio(self.frames.sum(), len(self.ids))),
            "tube_share": float(states.ratio(seen, self.num_frames * self.areas.sum())),
        }


def tubes_of(labels: Integer[np.ndarray, "t h w"]) -> Tubes:
    """The regions of a clip.

    Args:
      labels: region of every pixel of every frame; negative ones are none.
    """
    ids, numbers = np.unique(labels, return_inverse=True)
    numbers = numbers.reshape(len(labels), -1)
    counts = np.stack([np.bincount(x, minlength=ids.size) for x in numbers])
    counts, ids = counts[:, ids >= 0], ids[ids >= 0]
    shown = counts > 0
    return Tubes(
        ids=ids,
        first=shown.argmax(axis=0),
        last=len(labels) - 1 - shown[::-1].argmax(axis=0),
        frames=shown.sum(axis=0),
        areas=counts.sum(axis=0),
        num_frames=len(labels),
    )


# -- whether they flicker --------------------------------------------------------------


def flicker(
    labels: Integer[np.ndarray, "t h w"],
    flows: Float[np.ndarray, "_ _ _ 2"],
    valid: Bool[np.ndarray, "_ _ _"] | None = None,
    *,
    radius: int = 1,
) -> float:
    """The share of points that change their region from one frame to the next.

    A segmentation that moves with the things it shows has 0, whatever its regions are;
    a single region for all has 0 too, so the number belongs beside that of the regions.

    Args:
      labels: region of every pixel of every frame, the same number for the same
        region; negative where there is none.
      flows: ``[t - 1, h, w, 2]``, for every frame but the last where its pixels are
        in the next one, as a displacement in columns (x) and rows (y).
      valid: ``[t - 1, h, w]``, the pixels whose displacement can be trusted; None for
        all. One that leaves the image, or that is not finite, never counts.
      radius: a point keeps its region if a pixel this near to where it goes, in rows
        and columns, has it: borders are known to the pixel at best, and the ends of
        displacements lie between pixels. 0 for the nearest pixel alone.

    Returns:
      From 0 to 1; NaN where no point counts, as in a clip of one frame.
    """
    pairs = len(labels) - 1
    if len(flows) != pairs or (valid is not None and len(valid) != pairs):
        raise ValueError(
            f"expected displacements for {pairs} pairs of frames, one fewer than the "
            f"{len(labels)} frames, but found {len(flows)} displacements and "
            f"{'none' if valid is None else len(valid)} masks."
        )
    counts = np.zeros(2, np.int64)
    for i in range(pairs):
        trusted = None if valid is None else valid[i]
        counts += changed_points(
            labels[i], labels[i + 1], flows[i], trusted, radius=radius
        )
    return float(states.ratio(counts[0], counts[1]))


def changed_points(
    labels: Integer[np.ndarray, "h w"],
    following: Integer[np.ndarray, "_ _"],
    flow: Float[np.ndarray, "_ _ 2"],
    valid: Bool[np.ndarray, "_ _"] | None = None,
    *,
    radius: int = 1,
) -> tuple[int, int]:
    """How many points change their region between two frames, and of how many.

    Args:
      labels: of the first frame; see `flicker`.
      following: of the second one.
      flow: from the first to the second.
      valid: where it can be trusted.
      radius: of the pixels that may have the region.
    """
    require_same_size(following.shape, labels.shape)
    require_same_size(flow.shape[:2], labels.shape)
    counts = np.isfinite(flow).all(axis=-1) & (labels >= 0)
    if valid is not None:
        require_same_size(valid.shape, labels.shape)
        counts &= valid
    ends = np.rint(np.where(counts[..., None], flow, 0)).astype(np.int64)
    places = np.indices(labels.shape) + np.stack([ends[..., 1], ends[..., 0]])
    sides = np.reshape(labels.shape, (2, 1, 1))
    counts &= ((places >= 0) & (places < sides)).all(axis=0)
    region, (rows, columns) = labels[counts], places[:, counts]
    kept = np.zeros(region.shape, bool)
    around = np.pad(following, radius, mode="edge")
    for down in range(2 * radius + 1):
        for right in range(2 * radius + 1):
            kept |= around[rows + down, columns + right] == region
    return int((~kept).sum()), region.size
