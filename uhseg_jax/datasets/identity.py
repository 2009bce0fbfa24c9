"""By what the files of a dataset are known again.

Only the bytes tell all files apart, so what is scored is known by its bytes, which
takes about as long as to read them from the disk.

Originals of which a dataset was prepared may be many gigabytes, and are looked at
whenever it is loaded. They are read only where sizes agree and times do not: one that
is replaced by another of its size and its very time is taken for the same, and what was
prepared of the first goes on to be scored.
"""

import functools
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from uhseg_jax.datasets.pairs import MANY, Pair
from uhseg_jax.datasets.source import reading
from uhseg_jax.files import sha256_of

__all__ = ["content_of", "contents_of", "fingerprint_of", "identify", "is_of"]


def fingerprint_of(pairs: Sequence[Pair], *known: object) -> str:
    """A digest of the names of pairs and of what else is known of them.

    Args:
      pairs: the examples, in order.
      known: what tells them from others, with a `repr` that is the same everywhere.
    """
    text = repr(([pair.name for pair in pairs], *known))
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def content_of(path: Path) -> str:
    """The SHA-256 digest of a file.

    Raises:
      DatasetError: the file cannot be read.
    """
    with reading(path, "a file of the dataset", advice="put it back", errors=OSError):
        return sha256_of(path)


def contents_of(pairs: Sequence[Pair], *, masks: bool = True) -> list[tuple[str, ...]]:
    """The SHA-256 digests of image and mask of every pair, or of the image alone.

    Raises:
      DatasetError: a file cannot be read.
    """
    few = len(pairs) < MANY or None
    bar = tqdm(pairs, desc="contents", unit="image", disable=few)
    return [
        tuple(map(content_of, (x.image, x.mask) if masks else (x.image,))) for x in bar
    ]


def identify(pairs: Sequence[Pair]) -> dict[str, str]:
    """What tells pairs from others, to be kept with what is made of them.

    Returns:
      Digests of the names and, beside them: ``digest``, of the sizes of the files;
      ``times``, of when they were changed, and the notes; ``content``, of their bytes
      and the notes.
    """
    return {
        "digest": _digest(pairs, _size),
        "times": _digest(pairs, _time, notes=True),
        "content": _digest(pairs, content_of, notes=True),
    }


def is_of(identity: Mapping[str, str], pairs: Sequence[Pair]) -> bool:
    """Whether something was made of pairs as they are now.

    Files are read only where sizes agree and times do not.

    Args:
      identity: from `identify` when it was made; a version that knew sizes only left
        no more than ``digest``.
      pairs: as they are.
    """
    if identity.get("digest") != _digest(pairs, _size):
        return False
    if "content" not in identity or "times" not in identity:
        return True
    if identity["times"] == _digest(pairs, _time, notes=True):
        return True
    return identity["content"] == _digest(pairs, content_of, notes=True)


def _digest(
    pairs: Iterable[Pair], look: Callable[[Path], object], *, notes: bool = False
) -> str:
    """A digest of names and of what is seen of both files of each."""
    digest = hashlib.sha256()
    look = functools.cache(look)  # some datasets keep the truth of all images in one
    for pair in pairs:
        seen = [look(path) for path in (pair.image, pair.mask)]
        note = f" {pair.note!r}" if notes else ""
        digest.update(os.fsencode(f"{pair.name} {seen}{note}\n"))
    return digest.hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size


def _time(path: Path) -> int:
    return path.stat().st_mtime_ns
