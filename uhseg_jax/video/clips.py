"""What counts as a clip: a file, a folder, a list, an array."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.files import expand_home
from uhseg_jax.images import ImageLike, PathLike
from uhseg_jax.types import Array
from uhseg_jax.video.decoding import ClipFile
from uhseg_jax.video.frames import ArrayFrames, FolderFrames, FrameSource, VideoError

__all__ = ["ClipLike", "open_clip"]

ClipLike = PathLike | Sequence[ImageLike] | np.ndarray | Array | FrameSource
"""What `segment_video` takes."""


def open_clip(clip: ClipLike) -> FrameSource:
    """The frames of whatever may be a clip.

    Args:
      clip: the path of a file or of a folder of images; a list of paths or of images;
        an array ``[t, H, W, 3]`` or ``[t, H, W]``; or a `FrameSource`, as it is.

    Raises:
      VideoError: it is none of these.
      MissingPackageError: it is a file, and the package that decodes it is missing.
    """
    if isinstance(clip, FrameSource):
        return clip
    if isinstance(clip, str | os.PathLike):
        return _of_path(expand_home(clip))
    if isinstance(clip, Sequence):
        return _of_list(clip)
    if hasattr(clip, "__array__"):
        return _of_array(clip)
    raise VideoError(
        "expected a clip: a path, a folder of images, a list of images or an array "
        f"[t, H, W, 3], but got {clip!r:.50} of type {type(clip).__name__}."
    )


def _of_path(path: Path) -> FrameSource:
    if path.is_dir():
        return FolderFrames.find(path)
    return ClipFile.open(path)


def _of_list(images: Sequence[Any]) -> FrameSource:
    if images and all(isinstance(x, str | os.PathLike) for x in images):
        paths = [expand_home(x) for x in images]
        return FolderFrames(tuple(paths), paths[0].resolve().parent.name)
    return ArrayFrames(images)


def _of_array(clip: Any) -> FrameSource:
    array = np.asarray(clip)
    if array.ndim not in (3, 4) or not len(array):
        raise VideoError(
            "expected an array [t, H, W, 3] or [t, H, W], one image after the other, "
            f"but got one of shape {array.shape}."
        )
    if array.ndim == 3 and array.shape[2] in (3, 4):
        raise VideoError(
            "expected an array [t, H, W, 3] or [t, H, W], one image after the other, "
            f"but one of shape {array.shape} is one image; give image[None] for a clip "
            "of one frame, or clip[..., None] for grey frames as narrow as that."
        )
    return ArrayFrames(list(array))
