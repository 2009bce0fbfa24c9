"""Unsupervised hierarchical image segmentation in JAX.

A photograph goes in; a tree of nested regions comes out, found from the features of a
self-supervised backbone by spectral clustering and region merging, without labels or
training.

    >>> tree = uhseg_jax.segment("photo.jpg")
    >>> tree.cut(num_regions=8)

What most people need; ``help(uhseg_jax.segment)`` and so on say more:

    segment             an image to its tree
    segment_features    features of any backbone to a tree
    segment_video       a clip to one tree over all its frames
    stream_video        a clip as it comes, to labels with ids that last
    segment_raster      an image of any size to its tree, by tiles
    segment_volume      a volume to one tree over all its slices
    extract_features    an image to the features of a backbone
    name_regions        labels for the regions of a tree
    similar_regions     regions of many images that look like one
    RegionTree          a tree: cuts, masks, polygons, tables, proposals, files
    VideoTree           the tree of a clip: cuts, the tubes of its regions, files
    RasterTree          the tree of an image of any size: cuts by windows, files
    DescribedTree       a tree with a feature of every region

What researchers import, by room; ``help(uhseg_jax.methods)`` and so on say what is in
them:

    methods        from features to trees: METHODS, their configs, your own
    backbones      models by name: features, attention, class tokens
    spectral       graphs, eigenvectors, normalised cuts, k-means
    superpixels    watershed, and the graph of touching superpixels
    hierarchy      trees as arrays: cuts, merges, growing, contours
    refinement     labels of patches to labels of pixels: PAMR, dense CRF
    outlines       labels to polygons with common borders
    video          clips and volumes: regions through time or depth
    rasters        images of any size: windows, tiles, superpixels without seams
    features       features of one's own, in files
    images         reading images of all kinds
    naming         labels by CLIP
    export         formats that results are written in
    datasets       images with ground truth
    taxonomy       hierarchies of labels
    metrics        scores as states that merge
    protocols      how trees are scored against ground truth

What is listed here is imported when it is first used: JAX, and what is built on it,
takes a second.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uhseg_jax.api import extract_features, segment, segment_features
    from uhseg_jax.hierarchy.descriptors.similar import DescribedTree, similar_regions
    from uhseg_jax.hierarchy.tree import RegionTree
    from uhseg_jax.naming.namer import name_regions
    from uhseg_jax.rasters.raster_tree import RasterTree
    from uhseg_jax.rasters.whole import segment_raster
    from uhseg_jax.video.streaming import stream_video
    from uhseg_jax.video.video_tree import VideoTree
    from uhseg_jax.video.whole import segment_video
    from uhseg_jax.video.whole_volume import segment_volume

__all__ = [
    "DescribedTree",
    "RasterTree",
    "RegionTree",
    "VideoTree",
    "extract_features",
    "name_regions",
    "segment",
    "segment_features",
    "segment_raster",
    "segment_video",
    "segment_volume",
    "similar_regions",
    "stream_video",
]
__version__ = "0.7.0"

_HOMES = {
    "DescribedTree": "uhseg_jax.hierarchy.descriptors.similar",
    "RasterTree": "uhseg_jax.rasters.raster_tree",
    "RegionTree": "uhseg_jax.hierarchy.tree",
    "VideoTree": "uhseg_jax.video.video_tree",
    "extract_features": "uhseg_jax.api",
    "load_ipython_extension": "uhseg_jax.ipython",
    "name_regions": "uhseg_jax.naming.namer",
    "segment": "uhseg_jax.api",
    "segment_features": "uhseg_jax.api",
    "segment_raster": "uhseg_jax.rasters.whole",
    "segment_video": "uhseg_jax.video.whole",
    "segment_volume": "uhseg_jax.video.whole_volume",
    "similar_regions": "uhseg_jax.hierarchy.descriptors.similar",
    "stream_video": "uhseg_jax.video.streaming",
    "unload_ipython_extension": "uhseg_jax.ipython",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name, f"{__name__}.{name}")
    try:
        found = importlib.import_module(home)
    except ModuleNotFoundError as error:
        if error.name != home:
            raise  # something that it needs is not installed
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(found, name) if name in _HOMES else found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
