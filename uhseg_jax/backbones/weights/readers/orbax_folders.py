"""Folders that Orbax wrote, read array by array with the library that it writes with.

Orbax itself joins the names of arrays to the folder, wherever that leads, and makes
arrays of whatever size the files claim. Tensorstore refuses paths that leave a folder;
names, sizes and links are checked here before it reads.
"""

import collections
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.weights.errors import WeightsError, reason_of
from uhseg_jax.backbones.weights.manifest import (
    MANIFEST,
    PARAMS,
    find_damage,
    read_manifest,
)
from uhseg_jax.backbones.weights.places import is_plain_file, list_files
from uhseg_jax.backbones.weights.readers.budget import Budget
from uhseg_jax.backbones.weights.readers.lazy import (
    DEEPEST_TREE,
    LazyArrays,
    RefusedError,
    Stored,
    below_params,
)
from uhseg_jax.files import parse_json

__all__ = ["array_folders", "is_orbax_folder", "open_params", "read_orbax"]

_TREE = "_METADATA"
_LARGEST_TREE = 16 << 20  # bytes
# What says of one array how it lies.
_HEADS = frozenset([".zarray", ".zattrs", "zarr.json"])
_LARGEST_HEAD = 1 << 20  # bytes
_LARGEST_ARRAY = 4 << 30  # bytes; where memory lacks, tensorstore ends the process
_MOST_CHUNKS = 1024  # of one array; each costs a file to look for
_ARRAYS = ("jax.Array", "np.ndarray")  # scalars and texts are not
# How chunks may be packed. Others say in front how much memory they want.
_PACKINGS = frozenset(
    ["zstd", "gzip", "zlib", "bytes", "transpose", "crc32c", "sharding_indexed"]
)


def is_orbax_folder(path: Path) -> bool:
    """Whether a folder looks like one that Orbax wrote, or like one of our own."""
    return is_plain_file(path / _TREE) or is_plain_file(path / MANIFEST)


def read_orbax(path: Path, budget: Budget) -> LazyArrays:
    """Opens a folder of Orbax's, or the folder of a variant in a folder of ours.

    Args:
      path: a folder that StandardCheckpointer wrote, or the folder of a variant in a
        checkpoint folder of ours; that is verified against its manifest.
      budget: how many arrays it may hold, and bytes.

    Returns:
      Arrays by their paths in the tree, joined by slashes.

    Raises:
      WeightsError: it is not such a folder, or is damaged, or reaches outside.
    """
    try:
        params = path
        if is_plain_file(path / MANIFEST):
            params = path / PARAMS
            damage = find_damage(path, read_manifest(path), most=budget.nbytes)
            if damage:
                raise ValueError(damage)
        arrays = open_params(params, budget)
        return LazyArrays(path, below_params(arrays.stored))
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(
            f"{path} could not be read as a folder that Orbax wrote: "
            f"{reason_of(error)}. Expected one of StandardCheckpointer, or the folder "
            "of one model in a folder of converted weights; of weight files in a "
            "folder, give one of them."
        ) from error


def open_params(folder: Path, budget: Budget) -> LazyArrays:
    """The arrays of a folder that Orbax wrote; they are not read.

    Raises:
      RefusedError: there is more than the budget allows, or what is not read.
      WeightsError: it holds links.
      Exception: of any kind, if it is damaged.
    """
    sizes = _sizes(folder, budget)
    metadata = _read_tree(folder)
    driver = "zarr3" if metadata.get("use_zarr3") else "zarr"
    paths = list(_paths(metadata["tree_metadata"]))
    budget.require_count(len(paths))
    opened = [
        (path, _open(folder, ".".join(path), driver))  # all at once, then one by one
        for path in paths
    ]
    stored = {"/".join(path): _stored(one.result()) for path, one in opened}
    for path in paths:
        one, size = stored["/".join(path)], sizes[".".join(path)]
        nbytes = math.prod(one.shape) * one.dtype.itemsize
        if size > 2 * nbytes + _LARGEST_HEAD:
            raise RefusedError(
                f"the files of one of its arrays have {size:,} bytes; expected some "
                f"{nbytes:,}"
            )
    return LazyArrays(folder, stored)


def array_folders(folder: Path) -> set[str]:
    """The names of the folders that hold the arrays of a folder that Orbax wrote.

    Raises:
      RefusedError: its list of arrays is too large or too deep.
      Exception: of any kind, if it is damaged.
    """
    return {".".join(path) for path in _paths(_read_tree(folder)["tree_metadata"])}


def _sizes(folder: Path, budget: Budget) -> dict[str, int]:
    """Bytes of all in a folder, or in one of an array, by its name.

    Tensorstore reads files as a whole, however large: it is asked for none before.
    """
    sizes: dict[str, int] = collections.Counter()
    for file in list_files(folder):
        size = file.stat().st_size
        sizes[file.relative_to(folder).parts[0]] += size
        if file.name in _HEADS and size > _LARGEST_HEAD:
            raise RefusedError(
                f"{file} is too large: {size:,} bytes; expected at most "
                f"{_LARGEST_HEAD:,}"
            )
    total = sum(sizes.values())
    if total > budget.nbytes:
        raise RefusedError(
            f"it has {total:,} bytes; expected at most {budget.nbytes:,} of this model"
        )
    return sizes


def _read_tree(folder: Path) -> Any:
    """What Orbax wrote of the arrays in a folder."""
    if not is_plain_file(folder / _TREE):
        raise ValueError(f"it has no {_TREE}")
    with (folder / _TREE).open("rb") as stream:
        text = stream.read(_LARGEST_TREE + 1)
    if len(text) > _LARGEST_TREE:
        raise RefusedError(
            f"its {_TREE} is too large; expected at most {_LARGEST_TREE:,} bytes"
        )
    return parse_json(text)


def _paths(tree: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The paths of the arrays in a tree."""
    for leaf in tree.values():
        value = leaf["value_metadata"]
        if value["value_type"] in _ARRAYS and not value.get("skip_deserialize"):
            path = tuple(str(key["key"]) for key in leaf["key_metadata"])
            if len(path) > DEEPEST_TREE:
                raise RefusedError(f"its tree is more than {DEEPEST_TREE} levels deep")
            yield path


def _open(folder: Path, name: str, driver: str) -> Any:
    import tensorstore

    root = f"{folder.absolute()}/"
    place: dict[str, Any] = {"driver": "file", "path": f"{root}{name}/"}
    if is_plain_file(folder / "manifest.ocdbt"):
        base = {"driver": "file", "path": root}
        place = {"driver": "ocdbt", "base": base, "path": f"{name}/"}
    spec = {"driver": driver, "kvstore": place, "fill_missing_data_reads": False}
    return tensorstore.open(spec, open=True, read=True)


def _stored(store: Any) -> Stored:
    """An array of tensorstore, if what is read for it is no more than what it is."""
    shape, dtype = tuple(store.shape), jnp.dtype(store.dtype.name)
    layout = store.chunk_layout
    largest, smallest = (
        math.prod(chunk.shape or ())
        for chunk in (layout.write_chunk, layout.read_chunk)
    )
    elements = math.prod(shape)
    if elements * dtype.itemsize > _LARGEST_ARRAY:
        raise RefusedError(f"one of its arrays has the shape {list(shape)[:8]}")
    if largest > 2 * max(elements, 1) or elements > _MOST_CHUNKS * smallest:
        raise RefusedError(
            f"one of its arrays, of shape {list(shape)[:8]}, is in pieces of "
            f"{smallest:,} to {largest:,} elements"
        )
    packings = set(_packings(store.spec().to_json()["metadata"]))
    if packings - _PACKINGS:
        raise RefusedError(
            f"one of its arrays is packed by {', '.join(packings - _PACKINGS)}"
        )
    return Stored(shape, dtype, functools.partial(_read, store))


def _packings(metadata: Any) -> Iterator[str]:
    """The names of all that packs the chunks of an array."""
    if metadata.get("compressor"):
        yield str(metadata["compressor"]["id"])
    for codec in metadata.get("codecs", ()):
        yield str(codec["name"])
        settings = codec.get("configuration", {})
        yield from _packings({"codecs": settings.get("codecs", ())})
        yield from _packings({"codecs": settings.get("index_codecs", ())})


def _read(store: Any) -> np.ndarray:
    return np.asarray(store.read().result())
