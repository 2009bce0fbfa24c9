"""The stages of one image's segmentation, and what their sum is set beside."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from uhseg_jax import backbones, export, images, methods
from uhseg_jax.benchmarks import anchors, torch_vit, watch
from uhseg_jax.benchmarks.records import Figure, Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.benchmarks.timing import Calls, measure
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.methods import recursive_spectral
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.scratch import scratch_folder

__all__ = ["measure_stages", "rivals", "stages"]

WHOLE = "decode to exports"
TORCH = "torch's forward of ViT-S/14 at 840 x 840, float32"


def measure_stages(setting: Setting) -> Record:
    """Every stage, and the whole from a file to files beside torch's forward."""
    segmenter = setting.segmenter()
    with setting.image_file() as image, scratch_folder() as folder:
        calls = stages(segmenter, image, folder)
        if setting.anchors:
            calls |= rivals(segmenter, image)
            if anchors.are_installed(*torch_vit.NEEDED):
                calls[TORCH] = torch_vit.vit_small_forward()
        timings = measure(calls, repeats=setting.repeats)
        size = list(images.read_image(image).shape[:2])
    aims = [(WHOLE, TORCH, 1.0), ("export", "forward", None)]
    return Record(
        timings=timings,
        figures=tuple(Figure.ratio(timings, *x) for x in aims if x[1] in timings),
        facts={"image": size, "peak_gb": watch.peak_memory()},
        notes=tuple(anchors.missing(*torch_vit.NEEDED)) if setting.anchors else (),
    )


def stages(segmenter: Segmenter, image: Path, scratch: Path) -> Calls:
    """Every stage of one image as a call of its own, on what the one before gave.

    Args:
      segmenter: the backbone and method; its config is that of the stage "cut".
      image: an image file.
      scratch: an existing folder to write to, in which the image does not lie.

    Returns:
      decode, prepare (of methods that want the pixels), forward, cut, refine, export;
      the whole from pixels to regions, and that from the file to files.
    """
    pixels = images.read_image(image)
    features = segmenter.features([pixels])
    shape = features.shape[1:3]
    prepared = segmenter.prepare(pixels, shape)
    grid = jax.device_get(segmenter.trees(features, [prepared]))[0]
    tree = segmenter.refine(grid, features[0], pixels, prepared)

    def write_files(tree: RegionTree = tree) -> None:
        options = export.ExportOptions()
        folder = export.Folder(scratch)
        with export.open_formats(export.DEFAULT_FORMATS, folder, options) as writer:
            writer.add(export.Result("image", "image", pixels, tree))

    preparation: Calls = {}
    if prepared is not None:
        preparation["prepare"] = lambda: segmenter.prepare(pixels, shape)
    return {
        "decode": lambda: images.read_image(image),
        **preparation,
        "forward": lambda: segmenter.features([pixels]),
        "cut": lambda: segmenter.trees(features, [prepared]),
        "refine": lambda: segmenter.refine(grid, features[0], pixels, prepared),
        "export": write_files,
        "pixels to regions": lambda: segmenter([pixels])[0].tree.labels,
        WHOLE: lambda: write_files(segmenter([images.read_image(image)])[0].tree),
    }


def rivals(
    segmenter: Segmenter, image: Path, config: recursive_spectral.Config | None = None
) -> Calls:
    """The whole of recursive spectral segmentation with refined borders.

    Args:
      segmenter: with the backbone; if it cannot give what the config wants of it, there
        is no rival.
      image: an image file.
      config: parameters; None for our two-way cuts.
    """
    config = config or recursive_spectral.two_way()
    backbone = segmenter.backbone
    if not isinstance(backbone, backbones.Backbone) or not backbones.can_answer(
        backbone.spec, config.request
    ):
        return {}
    two_way = dataclasses.replace(
        segmenter,
        method=methods.METHODS.find("recursive_spectral"),
        config=config,
        refinement=Refinement(),
    )
    pixels: np.ndarray = images.read_image(image)
    name = "pixels to regions, recursive_spectral"
    return {name: lambda: two_way([pixels])[0].tree.labels}
