"""A dataset seen in another way: at one level of its classes, or in middle squares."""

import dataclasses
import functools

import numpy as np

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.interpolation import NUM_TAPS, make_taps
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.taxonomy import IGNORED, Case, Taxonomy
from uhseg_jax.types import Float, Integer, UInt8
from uhseg_jax.validators import check, integer

__all__ = ["CroppedSource", "FlattenedSource"]


class _View:
    """What views share: the examples of another source, each changed.

    Attributes:
      name: of the dataset, for reports.
      taxonomy: what the ids in the labels are.
    """

    def __init__(self, source: Source, taxonomy: Taxonomy, *, mark: str):
        self.name = source.name
        self.taxonomy: Taxonomy = taxonomy
        self._source = source
        self._mark = mark

    def __len__(self) -> int:
        """Number of examples."""
        return len(self._source)

    def fingerprint(self) -> str:
        """That of the other source, with what the view is."""
        return f"{self._source.fingerprint()} {self._mark}"

    def __getitem__(self, index: int) -> Example:
        """The example at a position, as it is seen."""
        return self._see(self._source[index])

    def _see(self, example: Example) -> Example:
        raise NotImplementedError


class FlattenedSource(_View):
    """Another source whose classes deeper than a depth count as their ancestor.

    With depth 0 the top level remains: the 27 classes of COCO-Stuff. The ids of the
    labels are then class indices from 0, and one more for what is ignored; the taxonomy
    is flat.
    """

    def __init__(self, source: Source, *, depth: int):
        """Makes the view.

        Args:
          source: the dataset.
          depth: the deepest level that remains, 0 for the top.
        """
        self._classes = source.taxonomy.flat(depth=depth)
        rows = [
            (name, index, Case.FOREGROUND, 0)
            for index, name in enumerate(self._classes.names)
        ]
        if source.taxonomy.has_background:  # the first class
            rows[0] = (*rows[0][:2], Case.BACKGROUND, 0)
        rows.append(("ignored", len(rows), Case.IGNORE, 0))
        super().__init__(source, Taxonomy.from_rows(rows), mark=f"depth {depth}")

    def _see(self, example: Example) -> Example:
        labels = self._classes.encode(example.labels)
        labels[labels == IGNORED] = self._classes.num_classes
        return dataclasses.replace(example, labels=labels.astype(np.uint16))


class CroppedSource(_View):
    """Another source's images and labels, cropped to middle squares of one size.

    How zero-shot segmenters are scored: Tian et al., "Diffuse, Attend, and Segment",
    CVPR 2024, in the order and with the sampling of its release
    (``data/coco/coco_data.py`` and ``data/cityscapes/cityscapes_data.py``): first the
    crop, then the new size. PiCIE (Cho et al., CVPR 2021), whose list of images that
    protocol takes, resizes first and with antialiasing.

    The square is as long as the shorter side and lies in the middle; of an odd rest the
    larger half is below or to the right of it. Images are sampled by bilinear
    interpolation without antialiasing and rounded to integers (the release keeps
    fractions); labels, instances, annotations and the masks of objects take the nearest
    pixel, so ids stay what they are. Objects outside of the square go, and the areas of
    the others are numbers of pixels.
    """

    def __init__(self, source: Source, *, side: int):
        """Makes the view.

        Args:
          source: the dataset.
          side: of the squares, in pixels.

        Raises:
          ValueError: the side is no positive integer.
        """
        self._side: int = check("side", side, integer(1))
        super().__init__(source, source.taxonomy, mark=f"crop {self._side}")

    def _see(self, example: Example) -> Example:
        people, instances = example.annotations, example.instances
        objects = example.objects
        return dataclasses.replace(
            example,
            image=_sampled(_middle(example.image), self._side),
            labels=self._nearest(example.labels),
            annotations=None
            if people is None
            else np.stack([*map(self._nearest, people)]),
            instances=None if instances is None else self._nearest(instances),
            objects=None if objects is None else objects.changed(self._nearest),
        )

    def _nearest(self, ids: Integer[np.ndarray, "H W"]) -> Integer[np.ndarray, "s s"]:
        return resize_labels(_middle(ids), (self._side, self._side))


def _middle(pixels: np.ndarray) -> np.ndarray:
    """The square in the middle of the first two axes."""
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _sampled(
    square: UInt8[np.ndarray, "n n 3"], side: int
) -> UInt8[np.ndarray, "s s 3"]:
    """A square image of another size, by bilinear interpolation of points."""
    taps = make_taps(square.shape[0], side, kernel="bilinear")

    def along(
        pixels: Float[np.ndarray, "a b 3"], axis: int
    ) -> Float[np.ndarray, "_ _ 3"]:
        shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
        terms = (
            np.take(pixels, taps.first + tap, axis=axis, mode="clip")
            * taps.weights[:, tap].reshape(shape)
            for tap in range(NUM_TAPS)
        )
        return functools.reduce(np.add, terms)

    return np.rint(along(along(square.astype(np.float64), 0), 1)).astype(np.uint8)
