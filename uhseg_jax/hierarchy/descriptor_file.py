"""The file of a tree's descriptors: NAME.descriptors.npz, beside the tree's NAME.npz.

It holds ``descriptors``, one row for every node as `RegionTree.describe` gives them,
rounded to float16 where their size allows, and ``tree``, which tells the tree that they
are of from others.
"""

import os
from pathlib import Path

import numpy as np

from uhseg_jax.hierarchy import tree_file
from uhseg_jax.hierarchy.tree_file import TreeFileError
from uhseg_jax.types import Float

__all__ = ["SUFFIX", "encode", "read"]

SUFFIX = ".descriptors.npz"
_TREE, _DESCRIPTORS = "tree", "descriptors"
_SMALL, _LARGE = 2.0**-6, 2.0**15  # the largest number is between, for float16


def encode(
    descriptors: Float[np.ndarray, "n d"], tree_id: str, **first: np.ndarray
) -> bytes:
    """The bytes of a file.

    Args:
      descriptors: of the nodes.
      tree_id: that of `tree_file.identity`.
      first: further arrays, which come first in it.
    """
    largest = np.max(np.abs(descriptors), initial=0.0)
    is_ordinary = _SMALL <= largest <= _LARGE
    values = descriptors.astype(np.float16 if is_ordinary else np.float32)
    arrays = {_TREE: np.array(tree_id), _DESCRIPTORS: values}
    return tree_file.encode(**first, **arrays)


def read(
    path_of_tree: str | os.PathLike[str], tree_id: str
) -> Float[np.ndarray, "n d"]:
    """The descriptors beside a tree, float32.

    Raises:
      FileNotFoundError: there are none.
      TreeFileError: the file is damaged, or they are of another tree.
    """
    path = Path(path_of_tree).with_suffix(SUFFIX)
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            found, descriptors = str(file[_TREE]), file[_DESCRIPTORS]
            descriptors = descriptors.astype(np.float32)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # a damaged archive fails in many ways
        raise TreeFileError(
            f"{path}: expected the descriptors of a tree, but the file is damaged or "
            "something else; delete it, and segment again with --format=npz,descriptors"
            ", which computes no tree that is there."
        ) from error
    if found != tree_id:
        raise TreeFileError(
            f"{path}: expected the descriptors of {Path(path_of_tree).name}, but they "
            "are of another tree; segment again with --format=npz,descriptors."
        )
    return descriptors
