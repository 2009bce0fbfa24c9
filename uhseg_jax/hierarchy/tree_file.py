"""The file of a tree: an npz of labels, parents, depths and costs."""

import os
import zipfile
import zlib

import numpy as np

from uhseg_jax.files import writing_aside
from uhseg_jax.hierarchy.cuts import NO_PARENT

__all__ = ["TreeFileError", "read", "write"]

_FIELDS = ("labels", "parents", "depths", "costs")


class TreeFileError(ValueError):
    """A file that was to hold a tree does not; the message says what was found."""


def write(path: str | os.PathLike[str], **arrays: np.ndarray) -> None:
    """Writes the arrays of a tree, aside and renamed.

    Raises:
      OSError: the file cannot be written; the message names it.
    """
    with writing_aside(path) as aside, open(aside, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the arrays of a tree and checks that they are one.

    Raises:
      FileNotFoundError: there is no such file.
      TreeFileError: the file is damaged or holds something else.
    """
    try:
        # Opened here: np.load does not close a damaged archive that it opened.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            missing = [name for name in _FIELDS if name not in file.files]
            arrays = {name: file[name] for name in _FIELDS if name not in missing}
    except (FileNotFoundError, PermissionError):
        raise
    # A cut-off or altered archive fails in many ways, down to numpy's header parser.
    except (
        AttributeError,
        EOFError,
        OSError,
        SyntaxError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise TreeFileError(
            f"{path}: expected a saved tree (npz), but the file is damaged or "
            f"something else ({error}); delete it and segment the image again."
        ) from error
    fault = f"{' and '.join(missing)} is missing" if missing else _fault(**arrays)
    if fault:
        raise TreeFileError(
            f"{path}: expected a saved tree, but {fault}; delete the file and segment "
            "the image again."
        )
    return arrays


def _fault(
    labels: np.ndarray, parents: np.ndarray, depths: np.ndarray, costs: np.ndarray
) -> str | None:
    """What is wrong with the arrays of a tree, in words; None if nothing is."""
    n = parents.size
    if labels.ndim != 2 or parents.shape != (n,) or n == 0:
        return f"labels have shape {labels.shape} and parents {parents.shape}"
    if depths.shape != (n,) or costs.shape != (n,):
        return f"parents, depths and costs differ in length ({n}, {depths.shape}, ...)"
    if not all(np.issubdtype(x.dtype, np.integer) for x in (labels, parents, depths)):
        return "labels, parents and depths are not whole numbers"
    if parents[0] != NO_PARENT or (parents[1:] < 0).any():
        return "node 0 is not the only root"
    if (parents >= np.arange(n)).any():
        return "a parent does not come before its child"
    if labels.size and not 0 <= labels.min() <= labels.max() < n:
        return f"labels go beyond the {n} nodes"
    if np.isin(labels, parents[1:]).any():
        return "a cell is labelled with a node that has children"
    return None
