"""Loading a backbone by name: fetched and converted once, then from the cache."""

import dataclasses
import functools
import os
import sys
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import numpy as np

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.dtypes import AUTO, resolve_dtype
from uhseg_jax.backbones.families import family_of
from uhseg_jax.backbones.variant import Spec, Variant
from uhseg_jax.backbones.variants import get_variant
from uhseg_jax.backbones.vit.attention import default_attention
from uhseg_jax.backbones.weights.checkpoints import (
    kept_manifest,
    kept_shapes,
    restore_params,
    save_params,
)
from uhseg_jax.backbones.weights.convert import (
    OWN_NAMING,
    convert_tensors,
    filled_shapes,
)
from uhseg_jax.backbones.weights.digests import params_digest
from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.manifest import BESIDE, TOKENIZER, require_small
from uhseg_jax.backbones.weights.obtain import (
    is_of_another_file,
    obtain_weight_file,
    parts_of,
    weights_sha256,
)
from uhseg_jax.backbones.weights.places import require_within
from uhseg_jax.backbones.weights.readers import (
    Budget,
    LazyArrays,
    read_diffusers,
    read_tensors,
)
from uhseg_jax.backbones.weights.readers.flax_files import are_own, torch_layout
from uhseg_jax.backbones.weights.replacing import is_cached, require_replaceable
from uhseg_jax.backbones.weights.sources import TOKENIZER_FILES, HubSource
from uhseg_jax.cache import checkpoint_directory
from uhseg_jax.entry import entry_point
from uhseg_jax.scratch import scratch_folder, sweep

__all__ = [
    "abstract_backbone",
    "convert_variant",
    "find_backbone",
    "load_backbone",
]


@entry_point
def abstract_backbone(backbone: Backbone) -> Backbone:
    """A backbone with shapes in place of its parameters, which are not read.

    What it is for: compiling while they are.
    """
    abstract = backbone.family.abstract_params(backbone.spec)
    return dataclasses.replace(backbone, read_params=lambda: abstract)


def load_backbone(
    name: str | Variant,
    *,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    dtype: str = AUTO,
) -> Backbone:
    """Loads a backbone; the first time, fetches and converts its weights.

    Loaded backbones stay in memory: a second call with the same arguments is free. With
    the checkpoint in the cache nothing touches the network.

    Args:
      name: a variant of `variants.VARIANTS`, ``FILE.py:NAME``, which runs that file,
        or a `Variant`.
      checkpoint_dir: folder of converted weights; None for ``UHSEG_CACHE`` or the
        user's cache.
      dtype: of products: "float32", "bfloat16", or "auto" (`default_dtype`).

    Returns:
      The backbone, its parameters on the default device.

    Raises:
      ValueError: no such variant or dtype.
      WeightsError: the weights could not be fetched, converted, kept or verified.
    """
    backbone = find_backbone(name, checkpoint_dir=checkpoint_dir, dtype=dtype)
    backbone.params  # noqa: B018  read now
    return backbone


@entry_point
def find_backbone(
    name: str | Variant,
    *,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    dtype: str = AUTO,
) -> Backbone:
    """A backbone whose parameters are read, and verified, when they are first needed.

    What they are is known without reading them, from what was written beside them when
    they were converted. Arguments are those of `load_backbone`.

    Raises:
      ValueError: no such variant or dtype.
      WeightsError: the weights could not be fetched, converted or kept.
    """
    variant = get_variant(name)
    family = family_of(variant.spec)
    resolved = resolve_dtype(dtype, has_convolutions=family.has_convolutions)
    return _find(variant, checkpoint_directory(checkpoint_dir), resolved)


@functools.lru_cache(maxsize=4)
def _find(variant: Variant, directory: Path, dtype: np.dtype) -> Backbone:
    name, family, spec = variant.name, family_of(variant.spec), variant.spec
    module_of = functools.partial(
        family.module, dtype=dtype, attention=default_attention()
    )
    backbone_of = functools.partial(Backbone, name, code_sha256=variant.code_sha256)
    if variant.source is None:
        params = family.random_params(spec)
        digest = params_digest(params)
        return backbone_of(module_of(spec), lambda: params, digest, family)
    sweep(directory)
    is_there = is_cached(name, directory)
    if not is_there or _is_outdated(variant, directory):
        convert_variant(variant, directory=directory, overwrite=is_there)
    manifest = kept_manifest(name, directory, flag=variant.flag)
    spec = family.fitted(spec, kept_shapes(name, directory))

    @entry_point
    def read_params() -> Any:
        try:
            abstract = family.abstract_params(spec)
            params, found = restore_params(
                name, abstract, directory=directory, flag=variant.flag
            )
            if found != manifest:
                raise WeightsError(
                    f"The checkpoint in {directory / name} was replaced meanwhile; "
                    "begin again."
                )
        except WeightsError:
            _find.cache_clear()  # whoever mends it finds it anew
            raise
        return _placed(params)

    return backbone_of(
        module_of(spec),
        read_params,
        manifest.params_sha256,
        family,
        tokenizer=directory / name / TOKENIZER if manifest.beside else None,
    )


def _is_outdated(variant: Variant, directory: Path) -> bool:
    """Whether a model of one's own has other weights than its checkpoint.

    That is so where its file is another by now, or its architecture.
    """
    if not variant.code_sha256:
        return False
    shapes = kept_shapes(variant.name, directory)
    family = family_of(variant.spec)
    abstract = family.abstract_params(family.fitted(variant.spec, shapes))
    wanted = flax.traverse_util.flatten_dict(abstract, sep="/")
    if shapes != {path: leaf.shape for path, leaf in wanted.items()}:
        return True
    found = kept_manifest(variant.name, directory, flag=variant.flag)
    return is_of_another_file(variant, found.source_sha256)


def _placed(params: dict[str, Any]) -> dict[str, Any]:
    """Moves arrays to the default device one by one, within the tree.

    So a model of several gigabytes never lies in memory twice.
    """
    for name, leaf in params.items():
        if isinstance(leaf, dict):
            _placed(leaf)
        else:
            params[name] = jax.block_until_ready(jax.device_put(leaf))
    return params


@entry_point
def convert_variant(
    variant: Variant,
    *,
    directory: Path,
    file: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Fetches a variant's weights, converts them and keeps the checkpoint.

    Args:
      variant: whose weights.
      directory: from `cache.checkpoint_directory`.
      file: a weight file, an Orbax folder or a diffusers folder that the user has,
        instead of fetching.
      overwrite: convert again even if the checkpoint is there.

    Returns:
      The checkpoint's folder.

    Raises:
      WeightsError: the weights could not be fetched, converted or kept.
    """
    if is_cached(variant.name, directory) and not overwrite:
        return directory / variant.name
    _require_writable(variant, directory)
    require_replaceable(directory / variant.name)
    budget = Budget.of(family_of(variant.spec).abstract_params(variant.spec))
    with scratch_folder(directory) as scratch:
        path = obtain_weight_file(variant, directory=scratch, file=file, budget=budget)
        print(f"Converting {variant.name}", file=sys.stderr)
        parts = parts_of(variant, path)
        if parts:
            arrays = read_diffusers(path, parts, budget)
        else:
            arrays = read_tensors(path, budget)
        beside = _tokenizer_files(variant, path)
        params = _params_of(arrays, variant.spec)
        return save_params(
            params,
            variant=variant.name,
            source=str(variant.source) if file is None else f"file {file.name}",
            source_sha256=weights_sha256(path, parts),
            directory=directory,
            beside=beside,
            overwrite=overwrite,
        )


def _params_of(arrays: LazyArrays, spec: Spec) -> Any:
    """Parameters from any source: torch's names, Flax's, or already ours."""
    family = family_of(spec)
    naming = family.naming
    if are_own(arrays, family.abstract_params(spec)):
        naming = OWN_NAMING
    elif any("/" in name for name in arrays):
        arrays = torch_layout(arrays)
    spec = family.fitted(spec, filled_shapes(arrays, naming=naming))
    return convert_tensors(arrays, family.abstract_params(spec), naming=naming)


def _tokenizer_files(variant: Variant, path: Path) -> dict[str, Path]:
    """What reads prompts, where all of it lies with the weights.

    Raises:
      WeightsError: it does not, and the model is of no use without; or it lies
        elsewhere.
    """
    source = variant.source
    is_needed = isinstance(source, HubSource) and source.has_tokenizer
    folder = path
    places = dict(zip(BESIDE, BESIDE, strict=True))
    if is_needed and path.is_file():  # as the hub has it
        folder, places = path.parent, dict(zip(BESIDE, TOKENIZER_FILES, strict=True))
    missing = [x for x in places.values() if not (folder / x).is_file()]
    if missing and is_needed:
        raise WeightsError(
            f"{variant.name} reads text with {' and '.join(TOKENIZER_FILES)}; expected "
            f"them beside the weights, but {folder} has no {' and no '.join(missing)}."
        )
    if missing:
        return {}
    files = {name: require_within(folder, place) for name, place in places.items()}
    for file in files.values():
        require_small(file)
    return files


def _require_writable(variant: Variant, directory: Path) -> None:
    """Fails before anything is fetched that could not be kept."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with scratch_folder(directory):
            pass
    except OSError as error:
        raise WeightsError(
            f"The converted weights of {variant.name} could not be kept in "
            f"{directory}: {error.strerror or error}. Choose another folder with "
            "--checkpoint_dir or UHSEG_CACHE."
        ) from error
