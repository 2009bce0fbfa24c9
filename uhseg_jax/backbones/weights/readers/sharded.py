"""A model in several files, and the index that says which array lies in which."""

from collections.abc import Callable
from pathlib import Path

from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.places import require_within
from uhseg_jax.backbones.weights.readers.budget import Budget
from uhseg_jax.backbones.weights.readers.lazy import LazyArrays, RefusedError
from uhseg_jax.files import parse_json

__all__ = ["INDEX_SUFFIXES", "is_index", "read_sharded", "shard_files", "shard_names"]

INDEX_SUFFIXES = (".index.json", ".index.fp16.json")
_LARGEST_INDEX = 16 << 20  # bytes
_MOST_SHARDS = 256


def is_index(path: Path) -> bool:
    """Whether a file is named as an index."""
    return path.name.endswith(INDEX_SUFFIXES)


def shard_names(index: Path) -> dict[str, str]:
    """Which file every array lies in.

    Args:
      index: an ``.index.json`` of the hub, as ``model.safetensors.index.json``.

    Returns:
      Names of files beside the index, by the names of arrays.

    Raises:
      RefusedError: it is not such an index, or names files elsewhere.
    """
    with index.open("rb") as stream:
        text = stream.read(_LARGEST_INDEX + 1)
    if len(text) > _LARGEST_INDEX:
        raise RefusedError(f"it has more than {_LARGEST_INDEX:,} bytes.")
    content = parse_json(text)
    named = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(named, dict) or not all(
        isinstance(x, str) for x in named.values()
    ):
        raise RefusedError(
            "it has no weight_map, the table of which array lies in which file; "
            "expected the .index.json of a model in several files."
        )
    files = set(named.values())
    if len(files) > _MOST_SHARDS:
        raise RefusedError(f"it names {len(files):,} files.")
    for name in files:
        if Path(name).name != name or name.startswith(".") or "\\" in name:
            raise RefusedError(
                f"it names {name[:200]!r}; expected files beside the index."
            )
        if name.endswith(".json"):
            raise RefusedError(
                f"it names {name[:200]!r}; expected a file with weights."
            )
    return named


def shard_files(index: Path) -> list[str]:
    """The names of the files that an index leads to, each once, in order.

    Raises:
      WeightsError: it is not such an index, or names files elsewhere.
    """
    try:
        return sorted(set(shard_names(index).values()))
    except (ValueError, RefusedError) as error:
        raise WeightsError(f"{index} could not be read: {error}") from error


def read_sharded(
    index: Path, budget: Budget, read: Callable[[Path, Budget], LazyArrays]
) -> LazyArrays:
    """Opens every file that an index names.

    Args:
      index: the index; the files lie beside it.
      budget: of all files together.
      read: opens one of them.

    Raises:
      RefusedError: an array is not where the index says, or there are too many.
      WeightsError: a file is missing or damaged.
    """
    named = shard_names(index)
    shards: dict[str, LazyArrays] = {}
    files = sorted(set(named.values()))
    paths = {name: require_within(index.parent, name) for name in files}
    budget.require_size(*paths.values())
    for name, path in paths.items():
        shards[name] = read(path, budget)
        budget.require_count(sum(map(len, shards.values())))
    for array, file in named.items():
        if array not in shards[file]:
            raise RefusedError(
                f"{file} does not hold {array[:200]}, as the index says."
            )
    return LazyArrays(
        index, {array: shards[file].located(array) for array, file in named.items()}
    )
