"""SHA-256 of folders and of parameters."""

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.places import list_files
from uhseg_jax.files import sha256_of

__all__ = ["files_digest", "params_digest", "require_hash"]


def require_hash(path: Path, found: str, expected: str) -> None:
    """Raises WeightsError if the SHA-256 of weights is not the published one."""
    if found != expected:
        raise WeightsError(
            f"The weights in {path} are not the published ones and were not used: "
            f"expected sha256 {expected}, found {found}. Fetch the file again."
        )


def files_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the files below a folder.

    Raises:
      WeightsError: there are links among them, or files without end.
    """
    digest = hashlib.sha256()
    for path in list_files(folder):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def params_digest(params: Any) -> str:
    """SHA-256 over names, shapes, dtypes and values of arrays, in order of their paths.

    Equal for equal parameters on any machine.
    """
    digest = hashlib.sha256()
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    for path, leaf in sorted(leaves, key=lambda item: jax.tree_util.keystr(item[0])):
        array = np.ascontiguousarray(leaf)
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        head = f"{jax.tree_util.keystr(path)} {array.dtype.name} {array.shape}\n"
        digest.update(head.encode())
        digest.update(little_endian.data)
    return digest.hexdigest()
