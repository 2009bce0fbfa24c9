"""Volumes as frames: stacks of TIFF, numpy arrays and NIfTI, slice by slice.

Tones are those of the whole volume, so that one value looks the same in all slices.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax.files import expand_home
from uhseg_jax.images import PathLike, read_image
from uhseg_jax.images.tones import tone_ends, toned
from uhseg_jax.optional import imported
from uhseg_jax.types import Array, Pixels
from uhseg_jax.video.frames import FolderFrames, FrameSource, VideoError
from uhseg_jax.video.tiff_stacks import STACK_SUFFIXES, is_stack, read_stack

__all__ = [
    "VOLUME_SUFFIXES",
    "Tones",
    "VolumeFrames",
    "VolumeLike",
    "open_volume",
    "slices_of",
]

_NIFTI = (".nii", ".nii.gz")
VOLUME_SUFFIXES = (*_NIFTI, *STACK_SUFFIXES, ".npy")
"""How the names of files end that are read as volumes."""

VolumeLike = PathLike | np.ndarray | Array | FrameSource
"""What `segment_volume` takes."""

Tones = tuple[float | int, float | int]
"""The values that become black and white."""

_SAMPLE = 2**22  # values from which tones follow


@dataclasses.dataclass(frozen=True)
class VolumeFrames(FrameSource):
    """The slices of a volume across one of its axes.

    Attributes:
      values: numbers of any kind, ``[a, b, c]`` or, of colours, ``[a, b, c, 3]``; what
        is mapped from a file stays there.
      axis: across which slices are taken, 0 to 2. The other two keep their order.
      title: what messages and results call it.
      tones: the values that become black and white; None: what `images.read_image`
        would take of all slices together.
      affine: of a NIfTI file, from indices to millimetres.
      scale: (slope, intercept) from the numbers of a NIfTI file to its values.
    """

    values: np.ndarray
    axis: int = 0
    title: str = "volume"
    tones: Tones | None = None
    affine: np.ndarray | None = None
    scale: tuple[float, float] = (1.0, 0.0)

    @property
    def count(self) -> int:
        """How many slices there are."""
        return int(self.values.shape[self.axis])

    def frames(self, start: int = 0) -> Iterator[Pixels]:
        """See `FrameSource.frames`."""
        given = self.tones and (float(self.tones[0]), float(self.tones[1]))
        ends = given or self._ends
        for index in range(start, self.count):
            values = self._slice(index)
            if ends is not None:
                values = toned(values, ends)
            yield read_image(values, name=f"{self.title}, slice {index}")

    def in_place(self, labels: np.ndarray) -> np.ndarray:
        """Labels ``[slices, H, W]`` with the axes of the volume."""
        return np.moveaxis(labels, 0, self.axis)

    def _slice(self, index: int) -> np.ndarray:
        # Axis by axis, for a mapped array is read where it is asked for.
        values = np.asarray(self.values[(slice(None),) * self.axis + (index,)])
        slope, intercept = self.scale
        if (slope, intercept) == (1.0, 0.0):
            return values
        return values.astype(np.float32) * np.float32(slope) + np.float32(intercept)

    @functools.cached_property
    def _ends(self) -> tuple[float, float] | None:
        """What becomes black and white; None of tones of 8 bits."""
        if self.values.dtype in (np.uint8, bool) and self.scale == (1.0, 0.0):
            return None
        at_most = max(1, _SAMPLE // self.count)
        sample = []
        for index in range(self.count):
            flat = self._slice(index).ravel()
            sample.append(flat[:: -(-len(flat) // at_most)])
        return tone_ends(np.concatenate(sample))


def open_volume(
    volume: VolumeLike,
    *,
    axis: int | None = None,
    tones: Tones | None = None,
) -> FrameSource:
    """The slices of whatever may be a volume.

    Args:
      volume: the path of a TIFF of several pages, of a ``.npy`` file (mapped, not
        read), of a NIfTI file, or of a folder of slices; an array ``[z, H, W]`` or
        ``[z, H, W, 3]``; or a `FrameSource`, as it is.
      axis: across which slices are taken; None: the first, and of NIfTI that along
        which voxels are longest (the last, where all are alike).
      tones: the values that become black and white, such as (-160, 240) for soft
        tissue in CT; None: those of the volume, a thousandth left aside at either end.

    Raises:
      VideoError: it is none of these, or is damaged; or an axis or tones are given
        for slices that are images already.
      MissingPackageError: tifffile or nibabel is wanted and not installed.
    """
    if isinstance(volume, FrameSource):
        if not (axis is None and tones is None):
            raise VideoError(
                f"{volume.title}: expected neither axis nor tones, for these slices "
                "are ready; give open_volume the file or the array of the volume."
            )
        return volume
    if isinstance(volume, str | os.PathLike):
        path = expand_home(volume)
        if path.is_dir():
            return _of_folder(path, axis, tones)
        source = _of_file(path)
    elif hasattr(volume, "__array__"):
        if isinstance(volume, np.ma.MaskedArray) and volume.mask.any():
            raise VideoError(
                "expected a volume without masked values, but some are; fill them, as "
                "with volume.filled(0)."
            )
        source = VolumeFrames(np.asarray(volume))
    else:
        raise VideoError(
            "expected a volume: the path of a file or a folder, or an array "
            f"[z, H, W], but got {volume!r:.50} of type {type(volume).__name__}."
        )
    chosen = source.axis if axis is None else axis
    if chosen not in (0, 1, 2):
        raise VideoError(
            f"expected an axis of the volume, 0, 1 or 2, but got {chosen}."
        )
    if tones is not None and not tones[0] < tones[1]:
        raise VideoError(
            "expected tones (black, white), the lower value first, but got "
            f"{tones[0]:g} and {tones[1]:g}."
        )
    source = dataclasses.replace(source, axis=chosen, tones=tones)
    _check_values(source)
    return source


def _check_values(source: VolumeFrames) -> None:
    """Refuses arrays that are no volume.

    Raises:
      VideoError: it is such.
    """
    values = source.values
    is_colored = values.ndim == 4 and values.shape[3] == 3
    if not (values.ndim == 3 or is_colored) or not values.size:
        advice = "take one channel or one point in time of it"
        raise VideoError(
            f"{source.title}: expected a volume of shape [z, H, W], or [z, H, W, 3] "
            f"in colours, but its shape is {values.shape}; {advice}."
        )
    if values.dtype.kind not in "buif":
        raise VideoError(
            f"{source.title}: expected integers or floats, but got {values.dtype}; "
            "convert it with .astype(np.float32)."
        )


def _of_folder(path: Path, axis: int | None, tones: Tones | None) -> FrameSource:
    """A file for every slice."""
    if not (axis is None and tones is None):
        raise VideoError(
            f"{path}: axis and tones are for volumes of one file; of a folder every "
            "file is a slice with tones of its own. Make the slices one stack, or "
            "leave both out."
        )
    return slices_of(FolderFrames.find(path).paths, path.resolve().name)


def slices_of(paths: Sequence[Path], title: str) -> FolderFrames:
    """A volume of which every file is one slice.

    Raises:
      VideoError: one is a stack of slices.
    """
    for path in paths:
        if is_stack(path):
            raise VideoError(
                f"{path}: expected one slice in each file of a folder, but this one "
                "has several pages; give stacks one by one, or put them into a folder "
                "without single slices."
            )
    return FolderFrames(paths, title, rate=0.0)


def _of_file(path: Path) -> VolumeFrames:
    suffix = next((x for x in VOLUME_SUFFIXES if path.name.lower().endswith(x)), "")
    if not suffix:
        raise VideoError(
            f"{path}: expected a volume, {', '.join(VOLUME_SUFFIXES)} or a folder of "
            "slices; convert it, or give the array itself."
        )
    if not path.is_file():
        raise VideoError(f"{path}: there is no such file; check the spelling.")
    try:
        if suffix == ".npy":
            values = np.load(path, mmap_mode="r", allow_pickle=False)
            return VolumeFrames(values, title=path.name)
        if suffix in STACK_SUFFIXES:
            return VolumeFrames(read_stack(path), title=path.name)
        return _nifti(path)
    except (ImportError, MemoryError, VideoError):
        raise
    except Exception as error:  # readers raise nearly anything on damaged data
        if isinstance(error, OSError) and error.strerror:
            raise VideoError(
                f"{path}: expected to read it, but the system says: {error.strerror}."
            ) from error
        raise VideoError(
            f"{path}: the volume is cut short or damaged ({error}); replace it with an "
            "intact copy."
        ) from error


def _nifti(path: Path) -> VolumeFrames:
    """The numbers as they are stored, and how they become values."""
    nibabel = imported("nibabel", "Reading NIfTI")
    image = nibabel.load(path)
    values = np.asanyarray(image.dataobj.get_unscaled())
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise VideoError(
            f"{path}: expected a volume of three axes, but its shape is "
            f"{values.shape}; take one channel or one point in time of it."
        )
    lengths = np.abs(image.header.get_zooms()[:3])
    # Where slices lie far apart, patches of others would be stretched.
    axis = int(len(lengths) - 1 - np.argmax(lengths[::-1]))
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    return VolumeFrames(
        values,
        axis=axis,
        title=path.name,
        affine=np.asarray(image.affine, float),
        scale=(float(slope), float(intercept)),
    )
