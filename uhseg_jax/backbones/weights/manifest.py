"""What is known of a converted checkpoint, and whether its files are still the same."""

import dataclasses
import json
from pathlib import Path

from uhseg_jax.backbones.weights.digests import files_digest
from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.places import is_plain_file, list_files
from uhseg_jax.backbones.weights.sources import TOKENIZER_FILES
from uhseg_jax.files import parse_json, sha256_of

__all__ = [
    "BESIDE",
    "LARGEST_BESIDE",
    "MANIFEST",
    "PARAMS",
    "TOKENIZER",
    "Manifest",
    "find_damage",
    "read_manifest",
    "require_small",
    "write_manifest",
]

MANIFEST = "manifest.json"
PARAMS = "params"
TOKENIZER = "tokenizer"  # the folder of its files, in a checkpoint and in diffusers
# The files that lie beside the parameters, where the weights came with them.
BESIDE = tuple(f"{TOKENIZER}/{name}" for name in TOKENIZER_FILES)
LARGEST_BESIDE = 16 << 20  # bytes of one of them
_LARGEST = 1 << 20  # bytes of a manifest


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is known of a converted checkpoint.

    Attributes:
      variant: its name in the table.
      source: where the weights came from.
      source_sha256: of the file they were read from.
      params_sha256: `digests.params_digest` of the parameters.
      files_sha256: over the names and contents of the files below ``params/``.
      beside: digests of the files that lie beside ``params/``, by their names in
        `BESIDE`.

    Raises:
      TypeError: a field is of another kind, or a file is none of `BESIDE`, as in a
        manifest that was altered.
    """

    variant: str
    source: str
    source_sha256: str
    params_sha256: str
    files_sha256: str
    beside: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        texts = [*dataclasses.astuple(self)[:-1]]
        if not isinstance(self.beside, dict) or not set(self.beside) <= set(BESIDE):
            raise TypeError(f"beside must be a table of digests of {BESIDE}.")
        if not all(isinstance(x, str) for x in (*texts, *self.beside.values())):
            raise TypeError("what a manifest says must be texts.")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes a manifest into the folder of a checkpoint."""
    text = json.dumps(dataclasses.asdict(manifest), indent=2)
    (folder / MANIFEST).write_text(f"{text}\n")


def read_manifest(folder: Path, name: str = MANIFEST) -> Manifest:
    """Reads the manifest in the folder of a checkpoint.

    Args:
      folder: of the checkpoint.
      name: what the manifest is called.

    Raises:
      OSError: there is none.
      ValueError: it is no JSON.
      TypeError: it has other fields.
    """
    if not is_plain_file(folder / name):
        raise FileNotFoundError(f"{folder / name} is no regular file")
    with (folder / name).open("rb") as stream:
        return Manifest(**parse_json(stream.read(_LARGEST)))


def find_damage(folder: Path, manifest: Manifest, *, most: int) -> str:
    """What is wrong with the files of a checkpoint.

    Args:
      folder: of the checkpoint.
      manifest: what it says of itself.
      most: bytes that its parameters may take; of more nothing is read.

    Returns:
      A sentence; empty if nothing is wrong.
    """
    try:
        size = sum(file.stat().st_size for file in list_files(folder / PARAMS))
        if size > most:
            return (
                f"The parameters of the checkpoint in {folder} have {size:,} bytes; "
                f"expected at most {most:,} of this model."
            )
        found = files_digest(folder / PARAMS)
        if found != manifest.files_sha256:
            return (
                f"The files of the checkpoint in {folder} are damaged or altered: "
                f"expected the digest {manifest.files_sha256}, found {found}."
            )
        for name, expected in manifest.beside.items():
            if not is_plain_file(folder / name):
                return f"{folder / name} is missing or no regular file."
            require_small(folder / name)
            found = sha256_of(folder / name)
            if found != expected:
                return (
                    f"{name} of the checkpoint in {folder} is damaged or altered: "
                    f"expected sha256 {expected}, found {found}."
                )
    except (OSError, WeightsError) as error:
        return f"The checkpoint in {folder} could not be read ({error})."
    return ""


def require_small(file: Path) -> None:
    """Refuses a file to lie beside parameters that is too large for one of a tokenizer.

    Raises:
      WeightsError: it is.
    """
    size = file.stat().st_size
    if size > LARGEST_BESIDE:
        raise WeightsError(
            f"{file} has {size:,} bytes; expected at most {LARGEST_BESIDE:,} of a file "
            "of a tokenizer."
        )
