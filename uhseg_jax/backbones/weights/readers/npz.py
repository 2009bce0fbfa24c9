"""The arrays of a numpy archive, one member each."""

import functools
import math
import zipfile
from pathlib import Path

import numpy as np

from uhseg_jax.backbones.weights.readers.lazy import LazyArrays, RefusedError


def read_npz(path: Path) -> LazyArrays:
    """Opens a ``.npz`` file; members are read, and their checksums checked, later."""
    with zipfile.ZipFile(path) as archive:
        names = [x for x in archive.namelist() if x.endswith(".npy")]
    return LazyArrays(
        path,
        {
            name.removesuffix(".npy"): functools.partial(_read_member, path, name)
            for name in names
        },
    )


def _read_member(path: Path, name: str) -> np.ndarray:
    with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
        member = archive.getinfo(name)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Others can grow a million times.
            raise RefusedError("it is compressed in another way than numpy does")
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, in_columns, dtype = read_header(stream)
        if dtype.hasobject:
            raise RefusedError(
                "it holds Python objects, which are pickled and can run code"
            )
        # Before anything is allocated: a header can claim any shape.
        claimed = stream.tell() + math.prod(shape) * dtype.itemsize
        if claimed != member.file_size:
            raise ValueError(f"its header asks for {claimed:,} bytes, which it lacks")
        data = stream.read()
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if in_columns else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)
