"""What the results in a folder were made with, so that none of another kind are mixed.

``run.json`` is written when its settings come into force, before the first result. A
result older than it belongs to earlier settings and does not count.
"""

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import uhseg_jax
from uhseg_jax.export.png_files import is_own
from uhseg_jax.files import atomic_write
from uhseg_jax.pipeline import Segmenter

__all__ = ["RunError", "Settings", "claim", "naming_the_file"]

_FILE = "run.json"


class RunError(RuntimeError):
    """A run cannot begin or go on; the message says why and what to do."""


@contextlib.contextmanager
def naming_the_file() -> Iterator[None]:
    """Turns errors of writing into sentences.

    Raises:
      RunError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{error.filename or 'Some file'}: expected to write it, but the system "
            f"says: {error.strerror or error}. Free some space, or give another "
            "--output folder; what is finished stays, and the same command goes on."
        ) from error


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the trees of a run depend on, images aside.

    Attributes:
      version: of this package.
      model: name of the backbone's variant.
      weights_sha256: digest of its parameters.
      dtype: of its matrix products; accelerators have another default than CPUs.
      method: name of the method.
      config: the method's config as a dictionary.
      refinement: how labels follow the pixels, as a dictionary.
      max_regions: leaves to which trees are pruned afterwards; None: not pruned.
    """

    version: str
    model: str
    weights_sha256: str
    dtype: str
    method: str
    config: dict[str, Any]
    refinement: dict[str, Any]
    max_regions: int | None = None

    @classmethod
    def of(cls, segmenter: Segmenter, *, max_regions: int | None = None) -> "Settings":
        """The settings of a segmenter."""
        return cls(
            version=uhseg_jax.__version__,
            model=segmenter.backbone.name,
            weights_sha256=segmenter.backbone.weights_sha256,
            dtype=str(segmenter.backbone.module.dtype),
            method=segmenter.method.name,
            config=dataclasses.asdict(segmenter.config),
            refinement=segmenter.refinement.to_dict(),
            max_regions=max_regions,
        )


@naming_the_file()
def claim(
    output: Path,
    settings: Settings,
    *,
    files: Iterable[Path] = (),
    overwrite: bool = False,
) -> int:
    """Makes a folder the output of runs with these settings.

    Args:
      output: the folder; created if need be.
      settings: of the run.
      files: that the run will write; without a ``run.json`` they are not ours.
      overwrite: bring the settings into force anew, whatever was there.

    Returns:
      Time in ns since which results there are of these settings.

    Raises:
      RunError: the folder is one of other settings, holds files that no run wrote, or
        cannot be written.
    """
    path = output / _FILE
    renew = overwrite or not path.exists()
    wanted = json.loads(json.dumps(dataclasses.asdict(settings)))
    if not overwrite:
        found = _read(path)
        if found is None:
            _require_absent(files, output)
        elif found != wanted and not _holds_results(output):
            renew = True  # an earlier run failed before its first result
        elif found != wanted:
            raise RunError(
                f"{path}: the results there were made with other settings "
                f"({_differences(found, wanted)}); give another --output folder, or "
                "replace them with --overwrite."
            )
    if renew:
        with atomic_write(path) as aside:
            aside.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    return path.stat().st_mtime_ns


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    names = {field.name for field in dataclasses.fields(Settings)}
    if not isinstance(found, dict) or not names & found.keys():
        raise RunError(
            f"{path}: expected the settings of a run of uhseg-segment, but the file "
            "holds something else; give another --output folder, or replace it with "
            "--overwrite."
        )
    return found


def _require_absent(files: Iterable[Path], output: Path) -> None:
    for file in files:
        if file.exists():
            raise RunError(
                f"{file}: the file is there, but {output} holds no {_FILE}, so "
                "uhseg-segment did not write it; give another --output folder, or "
                "replace it with --overwrite."
            )


def _holds_results(output: Path) -> bool:
    trees = output.rglob("*.npz")
    drawn = filter(is_own, output.rglob("*.png"))
    together = (output / name for name in ("coco.json", "index.html"))
    return any(path.exists() for path in itertools.chain(together, trees, drawn))


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The fields that differ, those of the config one by one."""
    found, wanted = _flat(found), _flat(wanted)
    names = [
        name for name in {**wanted, **found} if found.get(name) != wanted.get(name)
    ]
    return "; ".join(
        f"{name} {found.get(name)} there and {wanted.get(name)} now" for name in names
    )


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields under dotted names; the method's config under its own names."""
    flat: dict[str, Any] = {}
    config = settings.get("config", {})
    for name, value in settings.items():
        if isinstance(value, dict) and name != "config":
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    if isinstance(config, dict):
        flat.pop("config", None)
        flat |= config
    return flat
