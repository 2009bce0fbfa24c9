"""A drawn clip, its tree, and its files."""

import contextlib

import numpy as np

from uhseg_jax.export.clips import CLIP_FORMATS, Clip, ClipOptions
from uhseg_jax.export.exporter import Folder
from uhseg_jax.export.result import Provenance
from uhseg_jax.hierarchy.tree import NO_PARENT, RegionTree

PROVENANCE = Provenance("a" * 64, "b" * 64)
ALL = [x for x in CLIP_FORMATS if x != "mp4"]  # which needs a package


def disc_clip(count=5, size=(31, 45)):
    """A disc of two halves that leaves a ground of two halves: labels, tree, pixels."""
    y, x = np.mgrid[: size[0], : size[1]]
    labels = np.zeros((count, *size), np.int32)
    for t in range(count):
        disc = (x - 8 - 12 * t) ** 2 + (y - 15) ** 2 < 81
        labels[t] = np.where(disc, np.where(y > 15, 6, 5), np.where(x > 20, 4, 3))
    parents = np.array([NO_PARENT, 0, 0, 2, 2, 1, 1], np.int32)
    tree = RegionTree(
        labels=labels,
        parents=parents,
        num_nodes=np.asarray(7, np.int32),
        depths=np.array([0, 1, 1, 2, 2, 2, 2], np.int32),
        costs=np.array([0, 0.1, 0.1, 0.5, 0.5, 0.4, 0.4], np.float32),
    )
    images = np.stack([labels * 30, labels * 20 + 40, 255 - labels * 9], -1)
    return tree, images.astype(np.uint8)


def clip_of(tree, name="disc", provenance=PROVENANCE):
    names = [f"f{i:03}" for i in range(len(tree.labels))]
    size = tree.labels.shape[1:]
    return Clip(name, f"{name}.mov", 12.0, names, tree, tree.labels, size, provenance)


def write_clip(folder, clip, images, formats=ALL, options=None):
    with contextlib.ExitStack() as run:
        opened = [
            run.enter_context(
                CLIP_FORMATS[x].open(Folder(folder), options or ClipOptions(3))
            )
            for x in formats
        ]
        with contextlib.ExitStack() as one:
            adding = [one.enter_context(begin(clip)) for begin in opened]
            for frame in clip.frames(images):
                for add in adding:
                    add(frame)
    return folder
