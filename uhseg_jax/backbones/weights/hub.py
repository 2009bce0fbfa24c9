"""Fetching weights from the Hugging Face hub with its own client."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from uhseg_jax.backbones.variant import Variant
from uhseg_jax.backbones.weights.digests import require_hash
from uhseg_jax.backbones.weights.errors import WeightsError, reason_of
from uhseg_jax.backbones.weights.readers.sharded import is_index, shard_files
from uhseg_jax.backbones.weights.sources import (
    TOKENIZER_FILES,
    DiffusersSource,
    HubSource,
)
from uhseg_jax.files import sha256_of

__all__ = ["download_file", "download_folder"]


def download_file(variant: Variant, source: HubSource) -> Path:
    """Fetches the weights of a model that one file, or an index, leads to.

    Returns:
      The file in the hub's cache; beside it lie the files that an index names, and
      those of the tokenizer.

    Raises:
      WeightsError: the fetch failed, or the hash is another.
    """
    path = _from_hub(variant, source, source.file)
    if source.sha256 is not None:
        require_hash(path, sha256_of(path), source.sha256)
    folder, slash, _ = source.file.rpartition("/")
    others = shard_files(path) if is_index(path) else []
    for name in (*others, *(TOKENIZER_FILES if source.has_tokenizer else ())):
        _from_hub(variant, source, f"{folder}{slash}{name}")
    return path


def download_folder(variant: Variant, source: DiffusersSource) -> Path:
    """Fetches the parts of a model, all of one commit, and nothing else beside them.

    Returns:
      The folder in the hub's cache.

    Raises:
      WeightsError: the fetch failed.
    """
    import huggingface_hub

    print(f"Fetching {variant.name} ({source})", file=sys.stderr)
    with _hub_explained(variant, source.repository, ", ".join(source.files)):
        return Path(
            huggingface_hub.snapshot_download(
                source.repository,
                revision=source.revision,
                allow_patterns=list(source.files),
            )
        )


def _from_hub(variant: Variant, source: HubSource, file: str) -> Path:
    """Uses the hub's own client: its cache, its resuming, its token."""
    import huggingface_hub

    print(f"Fetching {variant.name} ({source}, {file})", file=sys.stderr)
    with _hub_explained(variant, source.repository, file):
        return Path(
            huggingface_hub.hf_hub_download(
                source.repository, file, revision=source.revision
            )
        )


@contextlib.contextmanager
def _hub_explained(variant: Variant, repository: str, files: str) -> Iterator[None]:
    """Says what to do where the hub's client fails, which tells of no try itself."""
    from huggingface_hub import errors
    from huggingface_hub.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    except errors.GatedRepoError as error:
        raise WeightsError(
            f"{repository} is gated: ask for access on its page on the hub, "
            "then log in with `hf auth login` and try again."
        ) from error
    except Exception as error:
        raise WeightsError(
            f"{files} of {repository} could not be fetched: {reason_of(error)}. "
            f"Without a network, fetch {files} of {repository} by other means and run "
            f"`uhseg-convert --model={variant.flag} --file=PATH`."
        ) from error
    finally:
        logging.set_verbosity(verbosity)
