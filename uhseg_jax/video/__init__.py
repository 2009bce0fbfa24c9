"""Clips and volumes: frames or slices in, regions through time or depth out.

`segment_video` takes all frames at once, `stream_video` a few at a time. `frames` reads them, `frame_graph` divides
them and makes them one graph, `VideoTree` is what comes out.
"""

from uhseg_jax.video.clips import open_clip
from uhseg_jax.video.frame_graph import FrameRegions, frame_regions, graph_of_frames
from uhseg_jax.video.frames import ArrayFrames, FolderFrames, FrameSource, VideoError
from uhseg_jax.video.streaming import VideoStream, stream_video
from uhseg_jax.video.video_tree import VideoTree
from uhseg_jax.video.whole import segment_frames, segment_video

__all__ = [
    "ArrayFrames",
    "FolderFrames",
    "FrameRegions",
    "FrameSource",
    "VideoError",
    "VideoStream",
    "VideoTree",
    "frame_regions",
    "graph_of_frames",
    "open_clip",
    "segment_frames",
    "segment_video",
    "stream_video",
]
