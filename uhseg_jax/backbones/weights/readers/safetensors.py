"""The arrays of a safetensors file, whose header the format's own library checks."""

import json
import math
from pathlib import Path

import jax.numpy as jnp

from uhseg_jax.backbones.weights.readers.budget import Budget
from uhseg_jax.backbones.weights.readers.lazy import Extent, LazyArrays, RefusedError

__all__ = ["read_safetensors"]

_DTYPES = {
    "BOOL": "bool",
    "BF16": "bfloat16",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
_LARGEST_HEADER = 16 << 20  # bytes


def read_safetensors(path: Path, budget: Budget) -> LazyArrays:
    """Opens a ``.safetensors`` file; its header is checked, its arrays are not read.

    The library has numpy arrays of neither 8-bit floats nor a file that shrinks while
    it is mapped, so the bytes of an array are read here.

    Raises:
      RefusedError: an array is of a type that numpy does not have, or there are too
        many.
      SafetensorError: the header does not fit the file.
    """
    from safetensors import safe_open

    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > path.stat().st_size:
            raise ValueError("its header is larger than the file")
        if length > _LARGEST_HEADER:
            raise RefusedError(
                f"its header is too large: {length:,} bytes; expected at most "
                f"{_LARGEST_HEADER:,}."
            )
        header = json.loads(stream.read(length))  # counted before the library looks
    budget.require_count(len(header))
    begin = 8 + length
    stored = {}
    with safe_open(path, framework="numpy") as file:
        # In the order of their bytes, between which the library allows no gap.
        for name in file.offset_keys():
            entry = file.get_slice(name)
            if entry.get_dtype() not in _DTYPES:
                raise RefusedError(
                    f"{name[:200]} is of the type {entry.get_dtype()}; expected one of "
                    f"{', '.join(_DTYPES)}."
                )
            dtype, shape = jnp.dtype(_DTYPES[entry.get_dtype()]), entry.get_shape()
            extent = Extent(path, begin, math.prod(shape) * dtype.itemsize)
            stored[name] = extent.stored(dtype, shape)
            begin += extent.nbytes
    return LazyArrays(path, stored)
