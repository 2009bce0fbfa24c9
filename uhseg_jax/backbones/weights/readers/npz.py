"""The arrays of a numpy archive, one member each."""

import functools
import zipfile
from pathlib import Path

import numpy as np

from uhseg_jax.backbones.weights.readers.budget import Budget
from uhseg_jax.backbones.weights.readers.lazy import LazyArrays, RefusedError, Stored
from uhseg_jax.backbones.weights.readers.zips import list_members, open_member
from uhseg_jax.npy import NpyHeader, NpyVersionError, read_npy_header

__all__ = ["read_npz"]

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
    header, start = _read_header(path, member)
    if header.dtype.hasobject:
        raise RefusedError(
            f"{member.filename[:200]} holds Python objects, which are pickled and can "
            "run code."
        )
    # Before anything is allocated: a header can claim any shape.
    claimed = start + header.nbytes
    if claimed != member.file_size:
        raise RefusedError(
            f"{member.filename[:200]} should have {claimed:,} bytes, as its header "
            f"says, and has {member.file_size:,}."
        )
    return Stored(
        header.shape,
        header.dtype.newbyteorder("="),
        functools.partial(_read_member, path, member),
    )


def _read_header(path: Path, member: zipfile.ZipInfo) -> tuple[NpyHeader, int]:
    """The header, and the bytes before the numbers."""
    with open_member(path, member) as stream:
        try:
            return read_npy_header(stream, first_version=True), stream.tell()
        except NpyVersionError as error:
            raise RefusedError(
                "it has a header that arrays of numbers do not need."
            ) from error


def _read_member(path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    header, start = _read_header(path, member)
    with open_member(path, member) as stream:
        content = stream.read(member.file_size)
        stream.read(1)  # the checksum is compared at the end
    array = np.frombuffer(content, header.dtype, offset=start)
    array = array.reshape(header.shape, order="F" if header.in_columns else "C")
    return array.astype(header.dtype.newbyteorder("="), copy=False)
