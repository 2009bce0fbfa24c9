"""The npz of an image: its tree, and the categories of the nodes if there are any."""

from pathlib import Path

import numpy as np

from uhseg_jax.export.exporter import ExportOptions, Result, for_each_image, is_current
from uhseg_jax.hierarchy import tree_file
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import UInt8

__all__ = ["NPZ", "read_result"]


def read_result(
    output: Path,
    name: str,
    *,
    title: str,
    pixels: UInt8[np.ndarray, "H W 3"],
    since: int,
) -> Result | None:
    """The result of an earlier run, if it can stand for a new one.

    Args:
      output: the folder of the run.
      name: what the files of the result are called, without suffix.
      title: what people know the image as.
      pixels: the image, whose size the labels must have.
      since: time in ns; older files are of other settings or another image.

    Returns:
      The result; None if there is none, or it is older, damaged or of another size.
    """
    path = output / f"{name}.npz"
    if not is_current(path, since):
        return None
    try:
        tree = RegionTree.load(path)
        with np.load(path) as file:
            more = {x: file[x] for x in ("categories", "distances") if x in file.files}
    except (tree_file.TreeFileError, OSError, ValueError):
        return None
    if tree.labels.shape != pixels.shape[:2]:
        return None
    return Result(name, title, pixels, tree, **more)


def _write(
    path: Path, result: Result, options: ExportOptions, since: int | None
) -> None:
    del options
    if is_current(path, since):
        return
    more: dict[str, np.ndarray] = {}
    if result.categories is not None:
        more["categories"] = np.asarray(result.categories, np.int32)
    if result.distances is not None:
        more["distances"] = np.asarray(result.distances, np.float32)
    count = int(result.tree.num_nodes)
    tree_file.write(
        path,
        labels=np.asarray(result.tree.labels, np.int32),
        parents=np.asarray(result.tree.parents, np.int32)[:count],
        depths=np.asarray(result.tree.depths, np.int32)[:count],
        costs=np.asarray(result.tree.costs, np.float32)[:count],
        **{name: x[:count] for name, x in more.items()},
    )


NPZ = for_each_image(
    "npz", "the tree; without it nothing is skipped later", ".npz", _write
)
