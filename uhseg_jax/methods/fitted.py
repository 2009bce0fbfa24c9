"""What a method is fitted to, with what, and what it then segments images by."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.types import Float, Int, Pixels

__all__ = [
    "Collection",
    "Fitted",
    "PooledImage",
    "PreparedImage",
    "Segmenter",
    "kept_files",
]

_KEPT = re.compile(r"passes/[0-9a-f]{64}/seed-\d+/(\d{7,}|levels)\.npz")


@dataclasses.dataclass(frozen=True)
class Collection:
    """The images of a run, read when they are needed.

    Attributes:
      read: gives the pixels of the image of an index; raises images.ImageError.
      count: how many images there are.
      folder: where a method may keep what it found of these images, to go on from
        there when the run is taken up again; None: nowhere.
      settings: digest of what that depends on; what was kept under another is not read.
      is_share: whether other processes have the other images of the collection.
      on_image: called with the name of a pass and an index after every image.
    """

    read: Callable[[int], Pixels]
    count: int
    folder: Path | None = None
    settings: str = ""
    is_share: bool = False
    on_image: Callable[[str, int], None] = lambda stage, index: None

    def kept(self, seed: int) -> Path:
        """The folder below ``folder`` for the files of a method with a seed."""
        assert self.folder is not None
        return self.folder / "passes" / self.settings / f"seed-{seed}"


def kept_files(folder: Path) -> Iterator[Path]:
    """The files that methods kept in a folder, whatever their settings.

    Their names are numbers of images or "levels".
    """
    for path in folder.glob("passes/*/seed-*/*.npz"):
        if _KEPT.fullmatch(path.relative_to(folder).as_posix()):
            yield path


@runtime_checkable
class Fitted(Protocol):
    """A method that has learned what it wanted of a collection."""

    @property
    def num_categories(self) -> int | None:
        """Categories that were found; None from methods without categories."""
        ...

    def prepare(self, image: Pixels, *, name: str = "") -> Any:
        """What the method wants of an image's pixels; None where it wants nothing.

        On the host, in any thread. Features of one's own are found by the ``name``.

        Raises:
          images.ImageError: the image cannot be segmented, and others may be.
          ImageMemoryError: it is too large for the memory.
        """
        ...

    def segment(
        self,
        indices: Sequence[int],
        images: Sequence[Any],
        prepared: Sequence[Callable[[], Any]] | None = None,
    ) -> Iterator[Segmentation]:
        """Segments some images of the collection, in order, one at a time.

        Args:
          indices: which images of the collection these are.
          images: their pixels.
          prepared: of each a function that waits for what `prepare` gives or raises;
            None: it is called here.

        Returns:
          One `Segmentation` for each. What devices do has begun before the first is
          asked for.
        """
        ...

    def features_of(
        self, images: Sequence[Pixels], names: Sequence[str]
    ) -> Iterator[Any]:
        """The features of patches of some images, without their trees.

        Those that `segment` gives with the trees (`Segmentation.features`).

        Args:
          images: their pixels.
          names: by which features of one's own are found.

        Returns:
          ``[h, w, d]`` of each. What devices do has begun before the first is asked
          for.

        Raises:
          images.ImageError: the next image has none.
          ValueError: the method keeps none (`Method.describes`).
        """
        ...


@runtime_checkable
class Segmenter(Protocol):
    """What a method is fitted with (`uhseg_jax.pipeline.Segmenter`)."""

    @property
    def backbone(self) -> Any:
        """What gives features of an image: a `Backbone`, or features of one's own."""
        ...

    config: Any
    refinement: Refinement


@runtime_checkable
class PreparedImage(Protocol):
    """What a method found in the pixels of an image before it sees features.

    Attributes:
      labels: int32 ``[H, W]``, the superpixel of every pixel, from 0.
      graph: a pytree of numpy arrays, the superpixels as the method works on them;
        their shapes and types follow from the config and the patch grid alone.
    """

    @property
    def labels(self) -> Int[np.ndarray, "H W"]:
        """The superpixel of every pixel."""
        ...

    @property
    def graph(self) -> Any:
        """The superpixels for the method's program."""
        ...


@runtime_checkable
class PooledImage(PreparedImage, Protocol):
    """What averages features by itself, so that no program depends on their grid."""

    def pooled(
        self, features: Float[np.ndarray, "h w d"]
    ) -> tuple[Float[np.ndarray, "n 1 d"], Any]:
        """Features of the superpixels as a grid, and the graph for these."""
        ...

    def on_patches(self, leaves: Int[np.ndarray, " n"]) -> Int[np.ndarray, "h w"]:
        """The leaf of every patch, from that of every superpixel."""
        ...
