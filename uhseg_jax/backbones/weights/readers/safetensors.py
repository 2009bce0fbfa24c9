"""The arrays of a safetensors file: a JSON header, then their bytes."""

import functools
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.weights.readers.lazy import (
    Extent,
    LazyArrays,
    RefusedError,
    row_major,
)

_LONGEST_HEADER = 100_000_000  # bytes; the limit of the format's own library
_DTYPES: dict[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": jnp.bfloat16,
    "F8_E4M3": jnp.float8_e4m3fn,
    "F8_E5M2": jnp.float8_e5m2,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
    "C64": np.complex64,
}


def read_safetensors(path: Path) -> LazyArrays:
    """Opens a ``.safetensors`` file; its header is checked, its arrays are not read.

    Args:
      path: the file.

    Raises:
      RefusedError: the header does not fit the file.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise ValueError(f"its header should have {length:,} bytes")
        header = json.loads(stream.read(length), object_pairs_hook=_unique)
    header.pop("__metadata__", None)
    extents = {}
    for name, entry in header.items():
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise RefusedError(
                f"{name[:200]} is of the type {entry['dtype']}; expected one of "
                f"{', '.join(_DTYPES)}."
            )
        shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
        if not 0 <= begin <= end <= size - 8 - length:
            raise ValueError(f"{name[:200]} lies outside the file")
        extent = Extent(path, 8 + length + begin, end - begin)
        extent.require(dtype, shape, offset=0, strides=row_major(shape))
        extents[name] = functools.partial(extent.array, dtype, shape)
    return LazyArrays(path, extents)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("its header names an array twice")
    return entries
