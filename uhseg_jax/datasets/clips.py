"""Clips with ground truth, which datasets of videos are made of."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uhseg_jax.datasets.identity import contents_of, fingerprint_of
from uhseg_jax.datasets.image_files import possible_sizes, read_pixels
from uhseg_jax.datasets.masks import read_mask
from uhseg_jax.datasets.pairs import Pair, require_sizes
from uhseg_jax.datasets.source import DatasetError, Example, reading, stop_at
from uhseg_jax.images import read_file
from uhseg_jax.taxonomy import Case, Taxonomy
from uhseg_jax.types import Int

__all__ = ["ClipExample", "ClipSource", "FrameFiles"]

_VOID = 255
_MOST = 254  # objects; ids of 8 bits


@dataclasses.dataclass(frozen=True)
class FrameFiles:
    """The files of a clip.

    Attributes:
      name: of the clip.
      pairs: its frames in order, with their masks.
    """

    name: str
    pairs: tuple[Pair, ...]


@dataclasses.dataclass(frozen=True)
class ClipExample(Example):
    """A clip with its ground truth, and one frame of it to show.

    ``image``, ``labels`` and ``instances`` are of the frame in the middle.

    Attributes:
      frames: the image files, in order.
      objects_through_time: int16 ``[t, H, W]``, ids from 1, 0 where there is no object,
        -1 where a pixel does not count.
    """

    frames: tuple[Path, ...] = ()
    objects_through_time: Int[np.ndarray, "t H W"] = dataclasses.field(
        default_factory=lambda: np.zeros((0, 0, 0), np.int16)
    )

    @property
    def middle(self) -> int:
        """The frame that is shown."""
        return len(self.frames) // 2

    @property
    def nbytes(self) -> int:
        """See `Example.nbytes`."""
        return len(self.frames) * super().nbytes


class ClipSource:
    """Clips as frames and index masks in files.

    In masks 0 is no object, 255 does not count and every other id is an object, the
    same through the clip.

    Attributes:
      name: of the dataset, for reports.
      taxonomy: what the ids in the masks are.
    """

    def __init__(self, clips: Sequence[FrameFiles], *, name: str, single: bool = False):
        """Checks the sizes of all files.

        Args:
          clips: where the files are.
          name: what to call the dataset.
          single: whether everything but 0 is one object (DAVIS-2016, whose masks hold 0
            and 255, or the objects of DAVIS-2017).

        Raises:
          DatasetError: an image and its mask, or frames of a clip, differ in size, or a
            file is no image.
        """
        self.name = name
        self._clips, self._is_single = tuple(clips), single
        self._contents: list[tuple[str, ...]] | None = None
        rows = [("background", 0, Case.BACKGROUND, 0)]
        count = 1 if single else _MOST
        rows += [(f"object {i}", i, Case.FOREGROUND, 0) for i in range(1, count + 1)]
        rows += [("void", _VOID, Case.IGNORE, 0)]
        self.taxonomy: Taxonomy = Taxonomy.from_rows(rows)
        require_sizes(self._pairs, where=name)
        stop_at(
            [x for clip in self._clips for x in _other_sizes(clip)],
            where=name,
            advice="All frames of a clip have one size (height x width)",
        )

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._clips)

    def fingerprint(self) -> str:
        """Of the names, and of the bytes of the files, which are read once for it.

        From then on `__getitem__` refuses files that are others by now.

        Raises:
          DatasetError: a file cannot be read.
        """
        if self._contents is None:
            self._contents = contents_of(self._pairs)
        return fingerprint_of(self._pairs, self._contents, self._is_single)

    def __getitem__(self, index: int) -> ClipExample:
        """Reads the masks of the clip at a position, and its middle frame.

        Raises:
          IndexError: there is no such position.
          DatasetError: a file cannot be read, or has changed (`fingerprint`).
        """
        clip = self._clips[index]
        before = sum(len(x.pairs) for x in self._clips[: index % len(self)])
        masks = [
            self._read_mask(pair, before + number)
            for number, pair in enumerate(clip.pairs)
        ]
        middle = len(clip.pairs) // 2
        shown = masks[middle]
        return ClipExample(
            clip.name,
            read_pixels(clip.pairs[middle].image, shown.shape),
            np.where(shown < 0, _VOID, shown).astype(np.uint8),
            instances=shown.astype(np.int32),
            frames=tuple(pair.image for pair in clip.pairs),
            objects_through_time=np.stack(masks),
        )

    @property
    def _pairs(self) -> list[Pair]:
        return [pair for clip in self._clips for pair in clip.pairs]

    def _read_mask(self, pair: Pair, number: int) -> Int[np.ndarray, "H W"]:
        """The objects of a frame; its image is looked at too."""
        with reading(pair.mask, "a file of the dataset", advice="put it back"):
            content = read_file(pair.mask)
            seen = [hashlib.sha256(read_file(pair.image)).hexdigest()]
        seen.append(hashlib.sha256(content).hexdigest())
        if self._contents is not None and tuple(seen) != self._contents[number]:
            raise DatasetError(
                f"{pair.name}: the frame or its mask has changed since the evaluation "
                "began; begin again when the files are as they should be."
            )
        ids = read_mask(pair.mask, content=content).astype(np.int16)
        if self._is_single:
            return (ids > 0).astype(np.int16)
        return np.where(ids == _VOID, np.int16(-1), ids)


def _other_sizes(clip: FrameFiles) -> list[str]:
    """What is wrong with the sizes of a clip's frames."""
    sizes = [possible_sizes(pair.image)[0] for pair in clip.pairs]
    first = sizes[0]
    return [
        f"{pair.image}: is {size[0]} x {size[1]}, but the first frame of "
        f"{clip.name} is {first[0]} x {first[1]}"
        for pair, size in zip(clip.pairs, sizes, strict=True)
        if size != first
    ]
