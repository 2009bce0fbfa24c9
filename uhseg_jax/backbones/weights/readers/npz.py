"""The arrays of a numpy archive, one member each."""

import functools
import math
import zipfile
from pathlib import Path

import numpy as np

from uhseg_jax.backbones.weights.readers.budget import Budget
from uhseg_jax.backbones.weights.readers.lazy import LazyArrays, RefusedError, Stored
from uhseg_jax.backbones.weights.readers.zips import list_members, open_member

_ENDING = ".npy"


def read_npz(path: Path, budget: Budget) -> LazyArrays:
    """Opens a ``.npz`` file; members are read, and their checksums checked, later.

    Raises:
      RefusedError: a member is no array of numbers, or there are too many.
    """
    members = {
        name.removesuffix(_ENDING): member
        for name, member in list_members(path).items()
        if name.endswith(_ENDING)
    }
    budget.require_count(len(members))
    return LazyArrays(
        path, {name: _stored(path, member) for name, member in members.items()}
    )


def _stored(path: Path, member: zipfile.ZipInfo) -> Stored:
    shape, _, dtype, start = _read_header(path, member)
    if dtype.hasobject:
        raise RefusedError(
            f"{member.filename[:200]} holds Python objects, which are pickled and can "
            "run code."
        )
    # Before anything is allocated: a header can claim any shape.
    claimed = start + math.prod(shape) * dtype.itemsize
    if claimed != member.file_size:
        raise RefusedError(
            f"{member.filename[:200]} should have {claimed:,} bytes, as its header "
            f"says, and has {member.file_size:,}."
        )
    return Stored(
        shape, dtype.newbyteorder("="), functools.partial(_read_member, path, member)
    )


def _read_header(
    path: Path, member: zipfile.ZipInfo
) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether in columns, dtype, and the bytes before the numbers."""
    with open_member(path, member) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            # The next allows headers of gigabytes, and numbers need none.
            raise RefusedError("it has a header that arrays of numbers do not need.")
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        return shape, in_columns, dtype, stream.tell()


def _read_member(path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    shape, in_columns, dtype, start = _read_header(path, member)
    with open_member(path, member) as stream:
        content = stream.read(member.file_size)
        stream.read(1)  # the checksum is compared at the end
    array = np.frombuffer(content, dtype, offset=start)
    array = array.reshape(shape, order="F" if in_columns else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)
