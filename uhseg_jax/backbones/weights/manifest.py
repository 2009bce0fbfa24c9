"""What is known of a converted checkpoint, and whether its files are still the same."""

import dataclasses
import json
from pathlib import Path

from uhseg_jax.backbones.weights.digests import file_sha256, files_digest

MANIFEST = "manifest.json"
PARAMS = "params"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is known of a converted checkpoint.

    Attributes:
      variant: its name in the table.
      source: where the weights came from.
      source_sha256: of the file they were read from.
      params_sha256: `digests.params_digest` of the parameters.
      files_sha256: over the names and contents of the files below ``params/``.
      beside: digests of the files that lie beside ``params/``, by their paths below the
        checkpoint's folder.

    Raises:
      TypeError: ``beside`` is no table of texts, as in a manifest that was altered.
    """

    variant: str
    source: str
    source_sha256: str
    params_sha256: str
    files_sha256: str
    beside: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.beside, dict) or not all(
            isinstance(digest, str) for digest in self.beside.values()
        ):
            raise TypeError("beside must be a table of digests.")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes a manifest into the folder of a checkpoint."""
    text = json.dumps(dataclasses.asdict(manifest), indent=2)
    (folder / MANIFEST).write_text(f"{text}\n")


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest in the folder of a checkpoint.

    Raises:
      OSError: there is none.
      ValueError: it is no JSON.
      TypeError: it has other fields.
    """
    return Manifest(**json.loads((folder / MANIFEST).read_text()))


def find_damage(folder: Path, manifest: Manifest) -> str:
    """What is wrong with the files of a checkpoint, as a sentence; empty if nothing."""
    try:
        found = files_digest(folder / PARAMS)
        if found != manifest.files_sha256:
            return (
                f"The files of the checkpoint in {folder} are damaged or altered: "
                f"expected the digest {manifest.files_sha256}, found {found}."
            )
        for name, expected in manifest.beside.items():
            found = file_sha256(folder / name)
            if found != expected:
                return (
                    f"{name} of the checkpoint in {folder} is damaged or altered: "
                    f"expected sha256 {expected}, found {found}."
                )
    except OSError as error:
        return f"The checkpoint in {folder} could not be read ({error})."
    return ""
