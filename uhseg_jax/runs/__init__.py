"""Segmenting many images into a folder: what to read, write, skip and resume."""

from uhseg_jax.runs.images import RunImage, demo_run_image, find_run_images
from uhseg_jax.runs.segmentation import Failure, Report, segment_images
from uhseg_jax.runs.settings import RunError, Settings, claim

__all__ = [
    "Failure",
    "Report",
    "RunError",
    "RunImage",
    "Settings",
    "claim",
    "demo_run_image",
    "find_run_images",
    "segment_images",
]
