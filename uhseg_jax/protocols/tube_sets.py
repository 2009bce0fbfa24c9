"""Regions of a clip through time, found in one way or another, as scores see them."""

import abc
import dataclasses
from collections.abc import Sequence

import numpy as np

from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics.davis import node_similarities
from uhseg_jax.metrics.tube_covering import object_counts
from uhseg_jax.types import Bool, Float, Int, Integer
from uhseg_jax.video.greedy import linked_cuts
from uhseg_jax.video.tube_choice import score_tubes

__all__ = ["FoundClip", "LinkedTubes", "TreeTubes", "TubeSet"]


class TubeSet(abc.ABC):
    """The tubes of a clip: each has pixels in some of its frames; the first has all."""

    @property
    @abc.abstractmethod
    def num_leaves(self) -> int:
        """How many of them hold no other; of frames by themselves, on the average."""

    @abc.abstractmethod
    def similarities(
        self, objects: Integer[np.ndarray, "t h w"]
    ) -> Float[np.ndarray, "n k t"]:
        """J of every tube with every object in every frame.

        Args:
          objects: the object of every pixel, from 1; 0 where there is none, negative
            where a pixel does not count.
        """

    @abc.abstractmethod
    def counts(
        self, objects: Integer[np.ndarray, "t h w"]
    ) -> Int[np.ndarray, "n k_and_1"]:
        """Pixels of every object in every tube, in all frames; those of none first.

        Args:
          objects: as for `similarities`.
        """

    @abc.abstractmethod
    def mask(self, tube: int) -> Bool[np.ndarray, "t h w"]:
        """The pixels of a tube."""

    @abc.abstractmethod
    def likeliest(
        self, k: int, motion: Float[np.ndarray, "m h w"] | None = None
    ) -> Int[np.ndarray, " c"]:
        """At most k tubes that are likely to be objects (`video.tube_choice`).

        Args:
          k: how many at most.
          motion: how far every pixel of the first m frames moves by itself; None where
            nobody knows.
        """

    @abc.abstractmethod
    def cut(self, num_regions: int) -> Int[np.ndarray, "t h w"]:
        """A flat segmentation, in which a number stands for a region through time.

        Args:
          num_regions: of the whole clip at most; of frames by themselves, of each.
        """

    def painted(self, tubes: Sequence[int]) -> Int[np.ndarray, "t h w"]:
        """Some tubes numbered from 1, earlier ones over later ones; 0 where none is."""
        found = np.zeros(self.mask(0).shape, np.int16)
        for number, tube in enumerate(tubes, start=1):
            found[self.mask(tube) & (found == 0)] = number
        return found


@dataclasses.dataclass(frozen=True)
class TreeTubes(TubeSet):
    """The nodes of the tree of a clip.

    Attributes:
      tree: numpy, labels ``[t, h, w]``.
    """

    tree: RegionTree

    @property
    def num_leaves(self) -> int:
        """See `TubeSet.num_leaves`."""
        return int(np.sum(self.tree.is_leaf()))

    def similarities(
        self, objects: Integer[np.ndarray, "t h w"]
    ) -> Float[np.ndarray, "n k t"]:
        """See `TubeSet.similarities`."""
        return node_similarities(self.tree, objects)

    def counts(
        self, objects: Integer[np.ndarray, "t h w"]
    ) -> Int[np.ndarray, "n k_and_1"]:
        """See `TubeSet.counts`."""
        return object_counts(self.tree, objects, int(objects.max(initial=0)))

    def mask(self, tube: int) -> Bool[np.ndarray, "t h w"]:
        """See `TubeSet.mask`."""
        below = np.asarray(self.tree.contains())[tube]
        return below[np.asarray(self.tree.labels)]

    def likeliest(
        self, k: int, motion: Float[np.ndarray, "m h w"] | None = None
    ) -> Int[np.ndarray, " c"]:
        """See `TubeSet.likeliest`; no two overlap."""
        return score_tubes(self.tree, motion).best(k)

    def cut(self, num_regions: int) -> Int[np.ndarray, "t h w"]:
        """See `TubeSet.cut`."""
        return np.asarray(self.tree.cut(num_regions=num_regions))


@dataclasses.dataclass(frozen=True)
class LinkedTubes(TubeSet):
    """The nodes of the trees of frames, linked to those of the frame before.

    Attributes:
      trees: numpy, one for each frame, labels ``[h, w]``.
      tubes: of each tree, the tube of every node (`video.greedy.linked_trees`).
    """

    trees: tuple[RegionTree, ...]
    tubes: tuple[Int[np.ndarray, " _"], ...]

    @property
    def num_leaves(self) -> int:
        """See `TubeSet.num_leaves`."""
        return round(np.mean([np.sum(tree.is_leaf()) for tree in self.trees]))

    @property
    def count(self) -> int:
        """How many tubes there are."""
        return 1 + max(int(x.max()) for x in self.tubes)

    def similarities(
        self, objects: Integer[np.ndarray, "t h w"]
    ) -> Float[np.ndarray, "n k t"]:
        """See `TubeSet.similarities`."""
        k = int(objects.max(initial=0))
        absent = np.stack([(objects != i + 1).all(axis=(1, 2)) for i in range(k)])
        # What is nowhere in a frame is right where the object is nowhere too.
        found = np.tile(absent.astype(float), (self.count, 1, 1))
        frames = zip(self.trees, self.tubes, objects, strict=True)
        for number, (tree, tubes, truth) in enumerate(frames):
            one = dataclasses.replace(tree, labels=np.asarray(tree.labels)[None])
            seen = node_similarities(one, truth[None], num_objects=k)
            found[tubes, :, number] = seen[..., 0]
        return found

    def counts(
        self, objects: Integer[np.ndarray, "t h w"]
    ) -> Int[np.ndarray, "n k_and_1"]:
        """See `TubeSet.counts`."""
        k = int(objects.max(initial=0))
        found = np.zeros((self.count, k + 1), np.int64)
        for tree, tubes, truth in zip(self.trees, self.tubes, objects, strict=True):
            found[tubes] += object_counts(tree, truth, k)
        return found

    def mask(self, tube: int) -> Bool[np.ndarray, "t h w"]:
        """See `TubeSet.mask`."""
        return np.stack(
            [
                (np.asarray(tree.contains())[: len(tubes)][tubes == tube]).any(axis=0)[
                    np.asarray(tree.labels)
                ]
                for tree, tubes in zip(self.trees, self.tubes, strict=True)
            ]
        )

    def likeliest(
        self, k: int, motion: Float[np.ndarray, "m h w"] | None = None
    ) -> Int[np.ndarray, " c"]:
        """See `TubeSet.likeliest`; by the mean score in the frames.

        Where motion is known, the last frame, which has none, does not count. A tube of
        which half lies in those taken before is left out.
        """
        totals = np.zeros(self.count)
        motion = None if motion is None or not len(motion) else motion
        for number, (tree, tubes) in enumerate(
            zip(self.trees, self.tubes, strict=True)
        ):
            moved = None if motion is None else motion[number : number + 1]
            if moved is not None and not len(moved):
                break  # the last frame has no motion: it would count for more
            one = dataclasses.replace(tree, labels=np.asarray(tree.labels)[None])
            totals[tubes] += score_tubes(one, moved).scores
        taken: np.ndarray | None = None
        chosen: list[int] = []
        for tube in np.argsort(-totals, kind="stable").tolist():
            if len(chosen) == k or totals[tube] <= 0:
                break
            mask = self.mask(tube)
            if taken is not None and 2 * (mask & taken).sum() >= mask.sum():
                continue
            chosen.append(tube)
            taken = mask if taken is None else taken | mask
        return np.array(chosen, np.int64)

    def cut(self, num_regions: int) -> Int[np.ndarray, "t h w"]:
        """See `TubeSet.cut`."""
        cuts = (np.asarray(x.cut(num_regions=num_regions)) for x in self.trees)
        return np.stack([*linked_cuts(cuts)])


@dataclasses.dataclass(frozen=True)
class FoundClip(Segmentation):
    """What was found in a clip; as a `Segmentation`, of its middle frame.

    Attributes:
      tubes: the regions through time.
    """

    tubes: TubeSet = dataclasses.field(kw_only=True)
