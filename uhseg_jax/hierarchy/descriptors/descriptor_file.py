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

__all__ = ["SUFFIX", "beside", "encode", "read", "rounded"]

SUFFIX = ".descriptors.npz"
"""How the names of descriptor files end."""

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
    arrays = {_TREE: np.array(tree_id), _DESCRIPTORS: _packed(descriptors)}
    return tree_file.encode(**first, **arrays)


def rounded(descriptors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """The descriptors as a file would give them back, float32."""
    return _packed(descriptors).astype(np.float32)


def _packed(descriptors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    largest = np.max(np.abs(descriptors), initial=0.0)
    is_ordinary = _SMALL <= largest <= _LARGE
    return descriptors.astype(np.float16 if is_ordinary else np.float32)


def beside(path_of_tree: str | os.PathLike[str]) -> Path:
    """The file with the descriptors of a tree that is in ``NAME.npz``."""
    path = Path(path_of_tree)
    return path.with_name(path.name.removesuffix(".npz") + SUFFIX)


def read(path: str | os.PathLike[str], tree_id: str) -> Float[np.ndarray, "n d"]:
    """The descriptors in a file, float32.

    Args:
      path: the file.
      tree_id: of the tree that they are to be of, as `tree_file.identity` gives it.

    Raises:
      FileNotFoundError: there are none.
      TreeFileError: the file is damaged, or they are of another tree.
    """
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
            f"{path}: expected the descriptors of the tree beside it, but they are of "
            "another; segment again with --format=npz,descriptors."
        )
    return descriptors
