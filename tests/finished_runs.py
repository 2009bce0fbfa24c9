"""Folders as `uhseg-segment` leaves them, of random trees: nothing is segmented."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
from small_runs import photograph
from trees import random_tree

from uhseg_jax.export import ExportOptions, Folder, Provenance, open_formats
from uhseg_jax.export.npz import read_saved
from uhseg_jax.runs.images import find_run_images
from uhseg_jax.runs.record import Record, write_record

TITLES = ("one.png", "sub/deep/three.png", "sub/two.jpg")
_SETTINGS = {"kind": "segment", "version": "1", "weights_sha256": "0"}


def finished_run(folder, *, titles=TITLES, size=(32, 24), **settings):
    """Writes photos/ and out/ below a folder; returns both.

    Photographs are one pixel wider from one to the next.
    """
    width, height = size
    photos, out = folder / "photos", folder / "out"
    for seed, title in enumerate(titles):
        photograph(photos / title, seed=seed, size=(width + seed, height))
    write_record(Path(out).mkdir(parents=True) or out, Record(_SETTINGS | settings))
    with open_formats(["npz"], Folder(out), ExportOptions()) as writer:
        for seed, image in enumerate(find_run_images([photos], output=out).images):
            writer.add(result_of(image, seed))
    return photos, out


def result_of(image, seed):
    """What a run would have found in an image, were its tree random."""
    from uhseg_jax.export import Result

    pixels, digest = image.read()
    height, width = pixels.shape[:2]
    tree = random_tree(seed, height=height, width=width, num_splits=8)
    made_of = Provenance(hashlib.sha256(b"settings").hexdigest(), digest)
    return Result(
        image.name,
        image.title,
        pixels,
        tree,
        provenance=made_of,
        place=image.place,
    )


def saved(out, name):
    """A result of such a run, without its image."""
    return read_saved(out / f"{name}.npz", name, name, None)


def select(result, *regions, **changed):
    """The selection of regions (name, nodes) in a result, as the page saves it."""
    image = {
        "name": result.title,
        "size": list(result.size),
        "num_nodes": int(result.tree.num_nodes),
        "tree": result.tree_id,
        "regions": [{"name": name, "nodes": list(nodes)} for name, nodes in regions],
    }
    return {"uhseg_jax": "selection", "version": 1, "images": [image | changed]}


def with_categories(result, count):
    """The same, where nodes have categories."""
    nodes = np.arange(int(result.tree.num_nodes))
    return dataclasses.replace(
        result,
        categories=(nodes % (count + 1)).astype(np.int32),
        distances=np.zeros(len(nodes), np.float32),
    )
