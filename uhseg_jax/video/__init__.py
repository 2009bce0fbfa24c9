"""Clips and volumes: frames or slices in, regions through time or depth out.

`segment_video` and `segment_volume` take all frames, or slices, at once; `stream_video`
takes a few at a time. `frames` and `volumes` read them, `frame_graph` divides them and
makes them one graph, `VideoTree` is what comes out.
"""

from uhseg_jax.video.clips import open_clip
from uhseg_jax.video.frame_graph import FrameRegions, frame_regions, graph_of_frames
from uhseg_jax.video.frames import ArrayFrames, FolderFrames, FrameSource, VideoError
from uhseg_jax.video.streaming import VideoStream, stream_video
from uhseg_jax.video.video_tree import VideoTree
from uhseg_jax.video.volumes import VolumeFrames, open_volume
from uhseg_jax.video.whole import segment_frames, segment_video
from uhseg_jax.video.whole_volume import save_volume, segment_volume

__all__ = [
    "ArrayFrames",
    "FolderFrames",
    "FrameRegions",
    "FrameSource",
    "VideoError",
    "VideoStream",
    "VideoTree",
    "VolumeFrames",
    "frame_regions",
    "graph_of_frames",
    "open_clip",
    "open_volume",
    "save_volume",
    "segment_frames",
    "segment_video",
    "segment_volume",
    "stream_video",
]
