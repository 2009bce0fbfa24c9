"""Converted weights on disk: the only file that knows Orbax.

``<checkpoint_dir>/<variant>/`` holds ``params/`` (Orbax) and ``manifest.json`` (where
the weights came from, and a digest of the values that is verified on every load);
small files that belong to the weights, as a tokenizer's, lie beside ``params/``. The
folder is written under another name and renamed when it is whole, so a process that is
killed leaves nothing that is taken for a result, and two may convert at once.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import platformdirs
from absl import logging

from uhseg_jax.backbones.weights.digests import file_sha256, files_digest, params_digest
from uhseg_jax.backbones.weights.errors import WeightsError, reason_of
from uhseg_jax.backbones.weights.manifest import (
    MANIFEST,
    PARAMS,
    Manifest,
    find_damage,
    read_manifest,
    write_manifest,
)

_ENVIRONMENT = "UHSEG_CACHE"
_STALE_AFTER = 24 * 3600.0  # seconds; no conversion takes a day


def checkpoint_directory(directory: str | os.PathLike[str] | None = None) -> Path:
    """The folder that converted weights are kept in.

    Args:
      directory: the user's choice; None for the environment variable ``UHSEG_CACHE``
        or else the user's cache folder of this platform.

    Returns:
      An absolute path; it need not exist.
    """
    chosen = directory or os.environ.get(_ENVIRONMENT)
    if not chosen:
        chosen = platformdirs.user_cache_dir("uhseg_jax", appauthor=False)
    return Path(chosen).expanduser().absolute()


def is_cached(variant: str, directory: Path) -> bool:
    """Whether a converted checkpoint is there (not whether it is sound)."""
    return (directory / variant).is_dir()


def is_orbax_folder(path: Path) -> bool:
    """Whether a folder looks like one that Orbax wrote, or like one of our own."""
    return (path / "_METADATA").is_file() or (path / MANIFEST).is_file()


def read_tree(path: Path) -> Any:
    """Reads whatever tree a folder of Orbax holds, without knowing it beforehand.

    Args:
      path: a folder that StandardCheckpointer wrote, or the folder of a variant in a
        checkpoint folder of ours; that is verified against its manifest.

    Returns:
      A tree of numpy arrays.

    Raises:
      WeightsError: it is not such a folder, or is damaged.
    """
    params = path
    try:
        if (path / MANIFEST).is_file():
            params = path / PARAMS
            damage = find_damage(path, read_manifest(path))
            if damage:
                raise ValueError(damage)
        if not (params / "_METADATA").is_file():
            raise ValueError("it has no _METADATA")
        with _quiet_orbax() as orbax, orbax.StandardCheckpointer() as checkpointer:
            # Newer releases of Orbax wrap the tree twice.
            tree = checkpointer.metadata(params.absolute())
            tree = getattr(tree, "item_metadata", tree)
            tree = getattr(tree, "tree", tree)
            if tree is None:
                raise ValueError("Orbax finds no tree in it")
            target = _empty(tree)
            return checkpointer.restore(params.absolute(), target)
    except Exception as error:
        raise WeightsError(
            f"{path} could not be read as a folder that Orbax wrote: "
            f"{reason_of(error)}. Expected one of StandardCheckpointer, or the folder "
            "of one model in a folder of converted weights; of weight files in a "
            "folder, give one of them."
        ) from error


def save_params(
    params: Any,
    *,
    variant: str,
    source: str,
    source_sha256: str,
    directory: Path,
    beside: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> Path:
    """Keeps converted parameters.

    Args:
      params: the tree of arrays.
      variant: name to keep them under.
      source: where they came from, for the record.
      source_sha256: of the file they were read from, for the record.
      directory: from `checkpoint_directory`.
      beside: small files to keep a copy of, by their paths below the checkpoint's
        folder.
      overwrite: replace what is there; otherwise a checkpoint that another process
        finished in the meantime stays.

    Returns:
      The checkpoint's folder.

    Raises:
      WeightsError: it could not be written, for lack of space or permission say.
    """
    target = directory / variant
    partial = None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _sweep(directory, variant)
        _require_space(params, directory)
        partial = Path(
            tempfile.mkdtemp(dir=directory, prefix=f".{variant}.", suffix=".part")
        )
        with _quiet_orbax() as orbax:
            # As StandardCheckpointer writes, but every array in files of its own: one
            # database for all would be gathered in memory, a second copy of the model.
            handler = orbax.PyTreeCheckpointHandler(use_ocdbt=False)
            with orbax.Checkpointer(handler) as checkpointer:
                saved = orbax.args.PyTreeSave(params)
                checkpointer.save(partial / PARAMS, args=saved)
        for name, file in (beside or {}).items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, partial / name)
        manifest = Manifest(
            variant=variant,
            source=source,
            source_sha256=source_sha256,
            params_sha256=params_digest(params),
            files_sha256=files_digest(partial / PARAMS),
            beside={name: file_sha256(partial / name) for name in beside or {}},
        )
        write_manifest(partial, manifest)
        partial.chmod(0o755)  # mkdtemp makes private folders
        if overwrite and target.exists():
            _retire(target)
        try:
            partial.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    except Exception as error:
        # Full disks come as ValueError.
        raise WeightsError(
            f"The converted weights of {variant} could not be kept in {directory}: "
            f"{reason_of(error)}. Free some space there, or choose another folder with "
            f"--checkpoint_dir or {_ENVIRONMENT}."
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def restore_params(
    variant: str, abstract: Any, *, directory: Path
) -> tuple[Any, Manifest]:
    """Loads converted parameters and verifies them.

    Args:
      variant: the name they were kept under.
      abstract: the tree expected, as shapes and dtypes.
      directory: from `checkpoint_directory`.

    Returns:
      numpy parameters in the structure of ``abstract``, and their manifest.

    Raises:
      WeightsError: the checkpoint is missing, incomplete, altered or another model's.
    """
    path = directory / variant
    remedy = (
        f"It was not used. Delete the folder, or convert again with `uhseg-convert "
        f"--model={variant} --checkpoint_dir={directory} --overwrite`."
    )
    try:
        manifest = read_manifest(path)
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(
            f"The checkpoint in {path} has no readable manifest.json. {remedy}"
        ) from error
    if manifest.variant != variant:
        raise WeightsError(
            f"The checkpoint in {path} says it is of {manifest.variant!r}; expected "
            f"{variant!r}. {remedy}"
        )
    # Before Orbax reads: on damaged files its threads outlive the error they report.
    damage = find_damage(path, manifest)
    if damage:
        raise WeightsError(f"{damage} {remedy}")
    # Arrays on the host: they are hashed there, and placed on devices by the caller.
    try:
        with _quiet_orbax() as orbax, orbax.StandardCheckpointer() as checkpointer:
            params = checkpointer.restore(path / PARAMS, _empty(abstract))
    except Exception as error:
        raise WeightsError(
            f"The checkpoint in {path} could not be read ({reason_of(error)}). {remedy}"
        ) from error
    wanted, shapes = _shapes(abstract), _shapes(params)
    if shapes != wanted:
        # Orbax hands out arrays as they were saved, whatever shape it was asked for.
        raise WeightsError(
            f"The checkpoint in {path} is of another model: expected the shapes "
            f"{sorted(wanted - shapes)}, found {sorted(shapes - wanted)}. "
            f"{remedy}"
        )
    found = params_digest(params)
    if found != manifest.params_sha256:
        raise WeightsError(
            f"The parameters of the checkpoint in {path} have been altered: expected "
            f"the digest {manifest.params_sha256}, found {found}. {remedy}"
        )
    return params, manifest


def _empty(abstract: Any) -> Any:
    """Arrays on the host that Orbax reads into."""
    return jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), abstract)


def _shapes(params: Any) -> set[tuple[str, tuple[int, ...]]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    return {(jax.tree_util.keystr(path), leaf.shape) for path, leaf in leaves}


def _require_space(params: Any, directory: Path) -> None:
    """Orbax leaves its writing threads in disorder when a disk fills up under them."""
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(params)) + 2**20
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise OSError(
            errno.ENOSPC, f"{needed:,} bytes are needed and {free:,} are free"
        )


def _retire(target: Path) -> None:
    """Moves a checkpoint out of the way in one step, then deletes it."""
    retired = Path(
        tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    )
    target.rename(retired / "old")
    shutil.rmtree(retired, ignore_errors=True)


def _sweep(directory: Path, variant: str) -> None:
    """Deletes what killed processes left behind long ago."""
    for left in directory.glob(f".{variant}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_AFTER:
                shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _quiet_orbax() -> Iterator[Any]:
    """Orbax, imported late (it is heavy), with its running commentary switched off."""
    import orbax.checkpoint

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield orbax.checkpoint
    finally:
        logging.set_verbosity(verbosity)
