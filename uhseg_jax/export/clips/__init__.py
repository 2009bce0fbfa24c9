"""Formats of clips, which are given one frame after the other.

A format is one file of this folder and one line here.
"""

from uhseg_jax.export.clips.clip import Clip, ClipOptions, Frame
from uhseg_jax.export.clips.clip_format import ClipFormat
from uhseg_jax.export.clips.clip_npz import CLIP_NPZ, read_clip
from uhseg_jax.export.clips.clip_page import CLIP_PAGE
from uhseg_jax.export.clips.davis_frames import DAVIS_FRAMES
from uhseg_jax.export.clips.side_by_side import SIDE_BY_SIDE
from uhseg_jax.export.clips.tracks import TRACKS
from uhseg_jax.registry import Registry

__all__ = ["CLIP_FORMATS", "Clip", "ClipFormat", "ClipOptions", "Frame", "read_clip"]

CLIP_FORMATS = Registry(
    "format of clips", [CLIP_NPZ, DAVIS_FRAMES, TRACKS, SIDE_BY_SIDE, CLIP_PAGE]
)
"""Those of runs over clips, by name."""
