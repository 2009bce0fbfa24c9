"""The file of a tree: an npz of labels, parents, depths and costs."""

import hashlib
import io
import os
from typing import Any

import numpy as np

from uhseg_jax.hierarchy.cuts import NO_PARENT

__all__ = [
    "TreeFileError",
    "arrays_of",
    "as_kept",
    "encode",
    "fault_of",
    "identity",
    "read",
]

_ZIP = b"PK\3\4"
_FIELDS = ("labels", "parents", "depths", "costs")


class TreeFileError(ValueError):
    """A file that was to hold a tree does not; the message says what was found."""


def encode(**arrays: np.ndarray) -> bytes:
    """The bytes of a file with the arrays of a tree, and perhaps others."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def arrays_of(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a tree as a file keeps them, without padding."""
    count = int(tree.num_nodes)
    return as_kept(
        {
            "labels": np.asarray(tree.labels),
            "parents": np.asarray(tree.parents)[:count],
            "depths": np.asarray(tree.depths)[:count],
            "costs": np.asarray(tree.costs)[:count],
        }
    )


def identity(labels: np.ndarray, parents: np.ndarray) -> str:
    """What tells a tree from others: 16 hexadecimal digits.

    Args:
      labels: of the tree.
      parents: of its nodes, without padding.
    """
    arrays = np.asarray(labels), np.asarray(parents)
    content = b"".join(np.ascontiguousarray(x, "<i4").tobytes() for x in arrays)
    return hashlib.sha256(repr(labels.shape).encode() + content).hexdigest()[:16]


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the arrays of a tree and checks that they are one.

    Returns:
      labels, parents and depths as int32, costs as float32.

    Raises:
      FileNotFoundError: there is no such file.
      TreeFileError: the file is damaged or holds something else.
    """
    if os.path.isdir(path):
        raise TreeFileError(
            f"{path}: expected a saved tree (npz), but this is a folder; give the file "
            "in it."
        )
    try:
        # Opened here: np.load does not close a damaged archive that it opened.
        with open(path, "rb") as stream:
            if stream.read(len(_ZIP)) != _ZIP:
                raise ValueError("it is no npz archive")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                missing = [name for name in _FIELDS if name not in file.files]
                arrays = {name: file[name] for name in _FIELDS if name not in missing}
    except (FileNotFoundError, PermissionError):
        raise
    # A cut-off or altered archive fails in many ways, down to numpy's header parser.
    except Exception as error:
        # Numpy advises to load pickles, which can run code.
        pickled = "allow_pickle" in str(error)
        reason = "it holds Python objects" if pickled else error
        raise TreeFileError(
            f"{path}: expected a saved tree (npz), but the file is damaged or "
            f"something else ({reason}); delete it and segment the image again."
        ) from error
    lacks = f"it has no {' and no '.join(missing)}"
    fault = lacks if missing else fault_of(**arrays)
    if fault:
        raise TreeFileError(
            f"{path}: expected a saved tree, but {fault}; delete the file and segment "
            "the image again."
        )
    return as_kept(arrays)


def as_kept(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a tree, costs as float32 and the others as int32."""
    return {
        name: x.astype(np.float32 if name == "costs" else np.int32, copy=False)
        for name, x in arrays.items()
    }


def fault_of(
    labels: np.ndarray, parents: np.ndarray, depths: np.ndarray, costs: np.ndarray
) -> str | None:
    """What is wrong with the arrays of a tree, in words; None if nothing is."""
    n = parents.size
    if labels.ndim not in (1, 2, 3) or parents.shape != (n,) or n == 0:
        return f"labels have shape {labels.shape} and parents {parents.shape}"
    if depths.shape != (n,) or costs.shape != (n,):
        return f"parents, depths and costs differ in length ({n}, {depths.shape}, ...)"
    if not all(np.issubdtype(x.dtype, np.integer) for x in (labels, parents, depths)):
        return "labels, parents and depths are not integers"
    if not any(np.issubdtype(costs.dtype, x) for x in (np.floating, np.integer)):
        return f"costs are not real numbers but {costs.dtype}"
    if not (np.abs(costs) <= np.finfo(np.float32).max).all():
        return "costs hold NaN or infinity"
    if parents[0] != NO_PARENT or (parents[1:] < 0).any():
        return "node 0 is not the only root"
    if (parents >= np.arange(n)).any():
        return "a parent does not come before its child"
    if depths[0] != 0 or (depths[1:] != depths[parents[1:]] + 1).any():
        return "depths do not follow from parents"
    if labels.size and not 0 <= labels.min() <= labels.max() < n:
        return f"labels go beyond the {n} nodes"
    if np.isin(labels, parents[1:]).any():
        return "a cell is labelled with a node that has children"
    return None
