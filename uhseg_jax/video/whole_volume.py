"""A volume, all its slices at once, to one tree; and labels in files of its kind."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax import backbones
from uhseg_jax.derivatives import require_values
from uhseg_jax.files import atomic_write
from uhseg_jax.images import PathLike
from uhseg_jax.methods import DEFAULT_METHOD, Method
from uhseg_jax.optional import imported
from uhseg_jax.parts import Parts
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.types import Integer
from uhseg_jax.video.frames import FrameSource, VideoError
from uhseg_jax.video.video_tree import VideoTree
from uhseg_jax.video.volumes import Tones, VolumeFrames, VolumeLike, open_volume
from uhseg_jax.video.whole import segment_frames

__all__ = ["save_volume", "segment_volume"]


def segment_volume(
    volume: VolumeLike,
    *,
    axis: int | None = None,
    tones: Tones | None = None,
    method: str | Method = DEFAULT_METHOD,
    model: str | backbones.Variant = backbones.DEFAULT_VARIANT,
    config: Any = None,
    checkpoint_dir: PathLike | None = None,
    dtype: str = backbones.AUTO,
    parts: PathLike | None = None,
) -> VideoTree:
    """The tree of nested regions of a volume: each keeps its id through all slices.

    Slices are to a volume what frames are to a clip: see `segment_video`. How far they
    lie apart does not count.

        >>> import uhseg_jax
        >>> tree = uhseg_jax.segment_volume("scan.nii.gz")  # doctest: +SKIP
        >>> tree.cut(num_regions=8)  # doctest: +SKIP

    Args:
      volume: a TIFF of several pages, ``.npy`` or NIfTI (the extra ``volumes``), a
        folder of slices, an array ``[z, H, W]`` or ``[z, H, W, 3]``, or a
        `video.FrameSource`.
      axis: across which slices are taken; None: the first, and of NIfTI that along
        which voxels are longest.
      tones: the values that become black and white, such as (-160, 240) for soft
        tissue in CT; None: those of the volume, a thousandth left aside at either end.
      method: as for `segment_video`.
      model: as for `segment`.
      config: the method's frozen config; None for its default.
      checkpoint_dir: as for `segment`.
      dtype: as for `segment`.
      parts: as for `segment_video`.

    Returns:
      A tree with labels ``[slices, H, W]``; `video.save_volume` puts them in place.

    Raises:
      ValueError: as of `segment_video`.
      VideoError: the volume cannot be read.
      MissingPackageError: tifffile or nibabel is wanted and not installed.
      backbones.WeightsError: the weights could not be had.
    """
    require_values("segment_volume", volume)
    source = open_volume(volume, axis=axis, tones=tones)
    segmenter = Segmenter.create(
        method=method,
        model=model,
        config=config,
        checkpoint_dir=checkpoint_dir,
        dtype=dtype,
    )
    kept = None if parts is None else Parts(Path(parts))
    return segment_frames(source, segmenter, parts=kept)


def save_volume(
    path: str | os.PathLike[str],
    labels: Integer[np.ndarray, "z H W"],
    like: FrameSource,
) -> None:
    """Writes labels of slices with the axes of the volume that they are of.

    NIfTI has the place of that volume (its affine).

    Args:
      path: ends in .npy, .tif, .tiff, .nii or .nii.gz.
      labels: one number for every voxel, slice by slice, as ``tree.cut`` gives them.
      like: the volume, as `open_volume` gives it with the ``axis`` across which it was
        segmented.

    Raises:
      ValueError: the path ends in something else, or the labels are of another size.
      MissingPackageError: tifffile or nibabel is wanted and not installed.
      OSError: the file cannot be written; the message names it.
    """
    affine = np.eye(4)
    if isinstance(like, VolumeFrames):
        voxels = like.values.shape[:3]
        labels = like.in_place(labels)
        if labels.shape != voxels:
            raise VideoError(
                f"expected labels of {like.title}, whose size is {voxels}, but "
                f"got {labels.shape}; give the volume that was segmented."
            )
        affine = affine if like.affine is None else like.affine
    small = np.int16 if labels.max(initial=0) < 2**15 else np.int32
    content = _encoded(Path(path), np.ascontiguousarray(labels, small), affine)
    with atomic_write(path) as aside:
        aside.write_bytes(content)


def _encoded(path: Path, labels: np.ndarray, affine: np.ndarray) -> bytes:
    name = path.name.lower()
    stream = io.BytesIO()
    if name.endswith(".npy"):
        np.save(stream, labels)
    elif name.endswith((".tif", ".tiff")):
        tifffile = imported("tifffile", "Writing a stack of TIFF")
        stack = labels.astype(f"u{labels.itemsize}")
        tifffile.imwrite(
            stream, stack, photometric="minisblack", compression="zlib", bigtiff=True
        )
    elif name.endswith((".nii", ".nii.gz")):
        nibabel = imported("nibabel", "Writing NIfTI")
        content: bytes = nibabel.Nifti1Image(labels, affine).to_bytes()
        return gzip.compress(content, mtime=0) if name.endswith(".gz") else content
    else:
        raise ValueError(
            f"{path}: expected a name that ends in .npy, .tif, .nii or .nii.gz; the "
            "end says which kind of file is written."
        )
    return stream.getvalue()
