"""What in a folder is ours, and putting a new checkpoint in its place.

A folder is ours if it holds our manifest; and of it only what the manifest speaks of.
Whatever else lies there belongs to the user and stays where it is.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.manifest import (
    BESIDE,
    MANIFEST,
    PARAMS,
    TOKENIZER,
    Manifest,
    read_manifest,
)
from uhseg_jax.backbones.weights.places import is_plain_file, list_files
from uhseg_jax.backbones.weights.readers.orbax_folders import array_folders

__all__ = ["is_cached", "is_replaceable", "put_in_place", "require_replaceable"]

# What the manifest of a checkpoint is called while another takes its place.
_REPLACED = ".manifest.json.replaced"

# What Orbax writes below the folder of the parameters, and in that of an array.
_OF_ORBAX = re.compile(
    r"_METADATA|_CHECKPOINT_METADATA|_sharding|_strings\.json|commit_success\.txt"
    r"|descriptor/descriptor\.pbtxt|array_metadatas/process_\d+"
)
_OF_ARRAY = re.compile(r"\.zarray|\d+(?:\.\d+)*")


def is_cached(variant: str, directory: Path) -> bool:
    """Whether a converted checkpoint is there (not whether it is sound)."""
    return is_plain_file(directory / variant / MANIFEST)


def is_replaceable(folder: Path) -> bool:
    """Whether `require_replaceable` has nothing against it."""
    try:
        require_replaceable(folder)
    except WeightsError:
        return False
    return True


def require_replaceable(folder: Path) -> None:
    """Refuses a place that holds what is not ours, before anything is done.

    Args:
      folder: where a checkpoint should be kept. It need not be there, or be empty.

    Raises:
      WeightsError: it holds files and no manifest of ours, or among what the manifest
        speaks of there are files that we did not write.
    """
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        if not folder.is_symlink():
            return
        raise WeightsError(_refusal(folder, "it is a link to nothing")) from None
    except OSError as error:
        said = error.strerror or str(error)
        raise WeightsError(_refusal(folder, said)) from error
    if not names:
        return
    manifest = _manifest_of(folder)
    if manifest is None:
        what = f"it holds {names[0]!r} and no {MANIFEST} of a checkpoint"
        if MANIFEST in names:
            what = f"its {MANIFEST} is not that of a checkpoint, or damaged"
        raise WeightsError(_refusal(folder, what))
    for stranger in _strangers(folder, manifest):
        what = f"it holds {stranger}, which is no part of a checkpoint"
        raise WeightsError(_refusal(folder, what))


def put_in_place(new: Path, target: Path, *, retired: Path) -> None:
    """Moves a whole checkpoint to its place.

    A kill at any moment leaves the old checkpoint, or the new one, or none that is
    taken for one, and all files of the user.

    Args:
      new: a folder on the same file system.
      target: where it belongs; `require_replaceable` has passed.
      retired: an empty folder on the same file system, for what is replaced.

    Raises:
      OSError: it could not be moved.
    """
    if not target.exists() or not os.listdir(target):
        new.rename(target)
    elif set(os.listdir(target)) <= {MANIFEST, _REPLACED, PARAMS}:
        target.rename(retired / "whole")
        try:
            new.rename(target)
        except OSError:
            with contextlib.suppress(OSError):
                (retired / "whole").rename(target)
            raise
    else:
        _put_entries(new, target, retired)


def _put_entries(new: Path, target: Path, retired: Path) -> None:
    """Moves a checkpoint into a folder that holds other files too."""
    if (target / MANIFEST).exists():  # from here on there is no checkpoint
        os.replace(target / MANIFEST, target / _REPLACED)
    for number, name in enumerate((PARAMS, *BESIDE)):
        if os.path.lexists(target / name):
            (target / name).rename(retired / str(number))
    for name in (*BESIDE, PARAMS, MANIFEST):  # and here there is one again
        if (new / name).exists():
            (target / name).parent.mkdir(exist_ok=True)
            (new / name).rename(target / name)
    (target / _REPLACED).unlink(missing_ok=True)


def _strangers(folder: Path, manifest: Manifest) -> Iterator[Path]:
    """What is not ours in the places of what is."""
    params = folder / PARAMS
    for place in (params, folder / TOKENIZER):
        if place.is_symlink():
            yield place
    if params.is_dir():
        yield from _strangers_in(params)
    elif os.path.lexists(params):
        yield params
    if not (folder / _REPLACED).exists():  # else a new checkpoint may be half in place
        for name in BESIDE:
            if name not in manifest.beside and os.path.lexists(folder / name):
                yield folder / name


def _strangers_in(params: Path) -> Iterator[Path]:
    """Files that are neither Orbax's own nor those of an array that it lists.

    Names of digits and stops alone do not tell: series of scans are called so as well.
    """
    try:
        arrays = array_folders(params)
    except Exception:  # damaged: what is there cannot be told from the user's
        arrays = set()
    for file in list_files(params):
        folder, _, name = file.relative_to(params).as_posix().rpartition("/")
        of_array = folder in arrays and _OF_ARRAY.fullmatch(name)
        if not of_array and not _OF_ORBAX.fullmatch(f"{folder}/{name}".lstrip("/")):
            yield file


def _manifest_of(folder: Path) -> Manifest | None:
    for name in (MANIFEST, _REPLACED):
        try:
            return read_manifest(folder, name)
        except (OSError, ValueError, TypeError):
            continue
    return None


def _refusal(folder: Path, what: str) -> str:
    return (
        f"No checkpoint can be kept in {folder}: {what}. Nothing there was changed. "
        "Choose another folder with --checkpoint_dir or UHSEG_CACHE, or move "
        "away what lies there."
    )
