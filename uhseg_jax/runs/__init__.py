"""Segmenting many pictures into a folder: what to read, write, skip and resume."""

from uhseg_jax.runs.pictures import Picture, demo_picture, find_pictures
from uhseg_jax.runs.results import FORMATS, result_files
from uhseg_jax.runs.segmentation import Failure, Report, segment_pictures
from uhseg_jax.runs.settings import RunError, Settings, claim

__all__ = [
    "FORMATS",
    "Failure",
    "Picture",
    "Report",
    "RunError",
    "Settings",
    "claim",
    "demo_picture",
    "find_pictures",
    "result_files",
    "segment_pictures",
]
