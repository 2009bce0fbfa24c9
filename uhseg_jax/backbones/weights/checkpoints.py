"""Converted weights on disk.

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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
from absl import logging

from uhseg_jax.backbones.weights.digests import files_digest, params_digest
from uhseg_jax.backbones.weights.errors import WeightsError, reason_of
from uhseg_jax.backbones.weights.manifest import (
    PARAMS,
    Manifest,
    find_damage,
    read_manifest,
    write_manifest,
)
from uhseg_jax.backbones.weights.readers.budget import ANY_MODEL, Budget
from uhseg_jax.backbones.weights.readers.orbax_folders import open_params
from uhseg_jax.backbones.weights.replacing import (
    is_cached,
    put_in_place,
    require_replaceable,
)
from uhseg_jax.files import sha256_of
from uhseg_jax.scratch import scratch_folder

__all__ = ["kept_manifest", "kept_shapes", "restore_params", "save_params"]


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
      directory: from `cache.checkpoint_directory`.
      beside: small files to keep a copy of, by their paths below the checkpoint's
        folder.
      overwrite: replace what is there; otherwise a checkpoint that another process
        finished in the meantime stays.

    Returns:
      The checkpoint's folder.

    Raises:
      WeightsError: it could not be written, for lack of space or permission say, or
        what is there is not ours.
    """
    # A link to the folder stays one.
    target = Path(os.path.realpath(directory / variant))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(target.parent) as scratch:
            _require_space(params, scratch)
            partial, retired = scratch / "new", scratch / "old"
            partial.mkdir()
            retired.mkdir()
            _write_params(partial / PARAMS, params)
            for name, file in (beside or {}).items():
                _copy(file, partial / name)
            manifest = Manifest(
                variant=variant,
                source=source,
                source_sha256=source_sha256,
                params_sha256=params_digest(params),
                files_sha256=files_digest(partial / PARAMS),
                beside={name: sha256_of(partial / name) for name in beside or {}},
            )
            write_manifest(partial, manifest)
            if overwrite or not is_cached(variant, directory):
                require_replaceable(target)
                try:
                    put_in_place(partial, target, retired=retired)
                except OSError:  # another process may have been first
                    if overwrite or not is_cached(variant, directory):
                        raise
    except WeightsError:
        raise
    except Exception as error:
        # Full disks come as ValueError.
        raise WeightsError(
            f"The converted weights of {variant} could not be kept in {directory}: "
            f"{reason_of(error)}. Free some space there, or choose another folder with "
            "--checkpoint_dir or UHSEG_CACHE."
        ) from error
    return directory / variant


def kept_shapes(variant: str, directory: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of converted parameters by their paths, as far as they can be told.

    Args:
      variant: the name they were kept under.
      directory: from `cache.checkpoint_directory`.
    """
    try:
        arrays = open_params(directory / variant / PARAMS, ANY_MODEL)
    except Exception:  # `restore_params` says what is wrong
        return {}
    return {name: stored.shape for name, stored in arrays.stored.items()}


def kept_manifest(variant: str, directory: Path, *, flag: str = "") -> Manifest:
    """What a checkpoint says of itself; nothing is verified.

    Args:
      variant: the name it was kept under.
      directory: from `cache.checkpoint_directory`.
      flag: `Variant.flag`, where it is another than the name.

    Raises:
      WeightsError: it is missing, or another model's.
    """
    path = directory / variant
    try:
        manifest = read_manifest(path)
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(
            f"The checkpoint in {path} has no readable manifest.json. It was not used. "
            "If nothing in that folder is yours, delete it; it is then converted again."
        ) from error
    if manifest.variant != variant:
        raise WeightsError(
            f"The checkpoint in {path} says it is of {manifest.variant!r}; expected "
            f"{variant!r}. {_remedy(flag or variant, directory)}"
        )
    return manifest


def _remedy(flag: str, directory: Path) -> str:
    return (
        f"It was not used. Convert again with `uhseg-convert --model={flag} "
        f"--checkpoint_dir={directory} --overwrite`."
    )


def restore_params(
    variant: str, abstract: Any, *, directory: Path, flag: str = ""
) -> tuple[Any, Manifest]:
    """Loads converted parameters and verifies them.

    Args:
      variant: the name they were kept under.
      abstract: the tree expected, as shapes and dtypes.
      directory: from `cache.checkpoint_directory`.
      flag: `Variant.flag`, where it is another than the name.

    Returns:
      numpy parameters in the structure of ``abstract``, and their manifest.

    Raises:
      WeightsError: the checkpoint is missing, incomplete, altered or another model's.
    """
    path, remedy = directory / variant, _remedy(flag or variant, directory)
    manifest = kept_manifest(variant, directory, flag=flag)
    budget = Budget.of(abstract)
    damage = find_damage(path, manifest, most=budget.nbytes)
    if damage:
        raise WeightsError(f"{damage} {remedy}")
    wanted = flax.traverse_util.flatten_dict(abstract, sep="/")
    try:
        arrays = open_params(path / PARAMS, budget)
        # Orbax hands out arrays as they were saved, whatever is asked for.
        expected = {(name, leaf.shape) for name, leaf in wanted.items()}
        shapes = {(name, one.shape) for name, one in arrays.stored.items()}
        if shapes != expected:
            raise WeightsError(
                f"The checkpoint in {path} is of another model: expected the shapes "
                f"{sorted(expected - shapes)[:8]}, found "
                f"{sorted(shapes - expected)[:8]}. {remedy}"
            )
        # Arrays on the host: they are hashed there, and the caller places them.
        params = flax.traverse_util.unflatten_dict(
            {name: arrays[name] for name in wanted}, sep="/"
        )
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(
            f"The checkpoint in {path} could not be read ({reason_of(error)}). {remedy}"
        ) from error
    found = params_digest(params)
    if found != manifest.params_sha256:
        raise WeightsError(
            f"The parameters of the checkpoint in {path} have been altered: expected "
            f"the digest {manifest.params_sha256}, found {found}. {remedy}"
        )
    return params, manifest


def _write_params(folder: Path, params: Any) -> None:
    with _quiet_orbax() as orbax:
        # As StandardCheckpointer writes, but every array in files of its own: one
        # database for all would be gathered in memory, a second copy of the model.
        handler = orbax.PyTreeCheckpointHandler(use_ocdbt=False)
        with orbax.Checkpointer(handler) as checkpointer:
            checkpointer.save(folder, args=orbax.args.PyTreeSave(params))


def _copy(file: Path, copy: Path) -> None:
    """Copies a file for no more people than can read it."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    with file.open("rb") as source, copy.open("wb") as target:
        readers = os.fstat(source.fileno()).st_mode & 0o777
        copy.chmod(copy.stat().st_mode & (readers | 0o200))
        shutil.copyfileobj(source, target)


def _require_space(params: Any, directory: Path) -> None:
    """Orbax leaves its writing threads in disorder when they cannot write on."""
    sizes = [leaf.nbytes for leaf in jax.tree.leaves(params)]
    needed = sum(sizes) + 2**20
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise OSError(
            errno.ENOSPC, f"{needed:,} bytes are needed and {free:,} are free"
        )
    if hasattr(os, "posix_fallocate"):
        # Quotas and limits on the size of a file show only where space is taken.
        with tempfile.TemporaryFile(dir=directory) as file:
            os.posix_fallocate(file.fileno(), 0, max(sizes, default=0) + 2**12)


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
