"""Features in files: ``FOLDER/NAME.npy`` or ``.npz`` for the image called NAME."""

import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from uhseg_jax.features.checks import checked_features
from uhseg_jax.files import expand_home
from uhseg_jax.images import IMAGE_SUFFIXES, ImageError
from uhseg_jax.images.sources import memory_text
from uhseg_jax.npy import read_npy_header
from uhseg_jax.types import Float

__all__ = ["FeatureFolder"]

_ENDINGS = (".npy", ".npz")
_NAMED = "features"  # the array of an npz that is taken where there are several
_MOST_BYTES = 4 * 2**30  # of an array, and of its file
_ZIP = b"PK"


class FeatureFolder:
    """A folder with an array ``[h, w, d]`` for every image; see `FeatureSource`.

    The features of ``sub/a.jpg`` are in ``sub/a.jpg.npy`` or ``sub/a.npy``, or in an
    npz of such a name, which holds one array, or one called ``features``. Grids may be
    of any size, and of another for every image. Python objects are never loaded.

    Args:
      folder: with its files, in folders below it where names have such.

    Raises:
      ValueError: there is no such folder.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = expand_home(folder)
        self._digests: dict[Path, str] = {}
        self._lock = threading.Lock()
        if not self.folder.is_dir():
            raise ValueError(
                f"{folder}: expected a folder with the features of every image, NAME"
                ".npy or NAME.npz, but there is no such folder; check the path."
            )

    def path_of(self, name: str) -> Path:
        """The file with the features of an image.

        Args:
          name: of the image, with ``/`` between folders; the suffix may be missing.

        Raises:
          images.ImageError: there is none, or more than one.
        """
        bases = [name]
        if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
            bases.append(PurePosixPath(name).with_suffix("").as_posix())
        for base in bases if ".." not in PurePosixPath(name).parts else ():
            paths = [self.folder / f"{base}{ending}" for ending in _ENDINGS]
            found = [path for path in paths if path.is_file()]
            if len(found) > 1:
                raise ImageError(
                    f"{name}: expected its features in one file, but there are "
                    f"{found[0]} and {found[1].name}; delete one of them."
                )
            if found:
                return found[0]
        raise ImageError(
            f"{name}: expected its features in {self.folder / bases[-1]}.npy or .npz, "
            "but there is no such file; put it there, or leave the image out."
        )

    def digest(self, name: str) -> str:
        """SHA-256 of the file with the features of an image.

        From then on `read` refuses other bytes.

        Raises:
          images.ImageError: there is none, or it cannot be read.
        """
        path = self.path_of(name)
        digest = hashlib.sha256(_content(path)).hexdigest()
        with self._lock:
            self._digests[path] = digest
        return digest

    def fingerprint(self) -> str:
        """A digest of the names and bytes of all files with features.

        From then on `read` refuses others.

        Raises:
          images.ImageError: a file cannot be read.
        """
        digest = hashlib.sha256()
        for path in self._files():
            name = path.relative_to(self.folder).with_suffix("").as_posix()
            content = hashlib.sha256(_content(path)).hexdigest()
            digest.update(os.fsencode(f"{name}\0{content}\n"))
            self._digests[path] = content
        return digest.hexdigest()

    def _files(self) -> Iterator[Path]:
        found = (path for path in self.folder.rglob("*") if path.suffix in _ENDINGS)
        return (path for path in sorted(found) if path.is_file())

    def read(self, name: str) -> Float[np.ndarray, "h w d"]:
        """The features of an image, as they are in the file.

        Raises:
          images.ImageError: there are none, they are no features ``[h, w, d]``, or not
            those whose `digest` was asked for.
        """
        path = self.path_of(name)
        content = _content(path)
        known = self._digests.get(path)
        if known is not None and hashlib.sha256(content).hexdigest() != known:
            raise ImageError(
                f"{path}: the features changed while the run was going on; run again "
                "when they are as they should be."
            )
        try:
            return checked_features(_decoded(content), batched=False)
        except MemoryError:
            raise
        except Exception as error:  # a damaged archive fails in many ways
            raise ImageError(f"{path}: {_sentence(error)}") from error

    def settings(self) -> dict[str, Any]:
        """See `FeatureSource.settings`; which features they are says each result."""
        return {"model": "features", "weights_sha256": "", "dtype": "float32"}


class _NotFeaturesError(ValueError):
    """What a file holds instead, in a sentence."""


def _sentence(error: Exception) -> str:
    if isinstance(error, _NotFeaturesError) or str(error).startswith("expected "):
        return str(error)
    return (
        f"expected features as numpy.save writes them, but the file is damaged or "
        f"something else ({error}); write it again."
    )


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        _require_size(size)
        return path.read_bytes()
    except _NotFeaturesError as error:
        raise ImageError(f"{path}: {error}") from error
    except OSError as error:
        raise ImageError(
            f"{path}: the features cannot be read ({error.strerror or error}); replace "
            "the file, or leave the image out."
        ) from error


def _require_size(size: int) -> None:
    if size > _MOST_BYTES:
        raise _NotFeaturesError(
            f"expected features of at most {memory_text(_MOST_BYTES)}, but "
            f"they take {memory_text(size)}; give a coarser grid, or float16."
        )


def _decoded(content: bytes) -> np.ndarray:
    """The array that a file holds, npy or npz."""
    if not content.startswith(_ZIP):
        return _array(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {x.filename.removesuffix(".npy"): x for x in archive.infolist()}
        names = [_NAMED] if _NAMED in members else [*members]
        if len(names) != 1:
            shown = ", ".join(names[:8]) or "none"
            raise _NotFeaturesError(
                f"expected one array, or one called {_NAMED}, but the file holds "
                f"{len(names)} ({shown}); save the features alone, with "
                "numpy.save(path, features)."
            )
        member = members[names[0]]
        _require_size(member.file_size)
        return _array(archive.read(member))


def _array(content: bytes) -> np.ndarray:
    """An array as numpy.save writes it; no memory is taken on a header's word."""
    stream = io.BytesIO(content)
    header = read_npy_header(stream)
    if header.dtype.hasobject:
        raise _NotFeaturesError(
            "expected numbers, but the file holds Python objects, which are not "
            "loaded; save the features as one array of float32."
        )
    found = len(content) - stream.tell()
    if header.nbytes != found:
        raise _NotFeaturesError(
            f"expected {header.nbytes} bytes of an array {header.shape}, but the file "
            f"holds {found}; it is damaged, so write it again."
        )
    stream.seek(0)
    array: np.ndarray = np.load(stream, allow_pickle=False)
    return array
