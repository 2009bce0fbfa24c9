"""What the results in a folder were made with, so that none of another kind are mixed.

``run.json`` is written when its settings come into force, before the first result. A
result older than it belongs to earlier settings and does not count.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uhseg_jax
from uhseg_jax.files import remove_stale_parts, write_json
from uhseg_jax.pipeline import Segmenter

__all__ = ["RunError", "Settings", "claim", "describe", "naming_the_file", "require"]

# What the results of a run depend on, JSON-ready: "kind", "version" and so on.
Settings = dict[str, Any]

_FILE = "run.json"
_OLD_FILE = "settings.json"  # of evaluations by older versions
_COMMANDS = {"segment": "uhseg-segment", "evaluate": "uhseg-evaluate"}
_LONGEST = 80  # characters of a value that a message shows
_ADVICE = "give another --output folder, or replace them with --overwrite."


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


def describe(
    kind: str, segmenter: Segmenter, identities: Sequence[str], **others: Any
) -> Settings:
    """The settings of a run.

    Args:
      kind: "segment" or "evaluate", whose results never share a folder.
      segmenter: the model, the method and the refinement. Accelerators have another
        default dtype than CPUs, so that is recorded as well.
      identities: texts that tell the images apart from others, for methods that learn
        from all of them.
      others: whatever else results of this kind depend on.
    """
    backbone = segmenter.backbone
    settings = {
        "kind": kind,
        "version": uhseg_jax.__version__,
        "model": backbone.name,
        "weights_sha256": backbone.weights_sha256,
        "dtype": str(backbone.module.dtype),
        "method": segmenter.method.name,
        "config": segmenter.method.settings(segmenter.config, identities),
        "refinement": segmenter.refinement.to_dict(),
        **others,
    }
    return json.loads(json.dumps(settings))  # tuples become lists, as in the file


@naming_the_file()
def claim(
    output: Path,
    settings: Settings,
    *,
    results: Iterable[Path] = (),
    files: Iterable[Path] = (),
    forget: Iterable[Path] = (),
    overwrite: bool = False,
    shared: bool = False,
) -> int:
    """Makes a folder the output of runs with these settings.

    Args:
      output: the folder; created if need be.
      settings: what its results depend on, as `describe` gives it.
      results: files of earlier runs there. Settings that gave none are replaced.
      files: that the run will write; without a ``run.json`` they are not ours.
      forget: files to delete before the settings come into force, since a method or an
        evaluation would go on from them.
      overwrite: bring the settings into force anew, whatever was there.
      shared: other processes work in the folder as well, so the same settings are not
        brought into force again, which would make their results old.

    Returns:
      Time in ns since which results there are of these settings.

    Raises:
      RunError: the folder is one of other settings, holds files that no run wrote, or
        cannot be written.
    """
    path = output / _FILE
    found = None if overwrite and not shared else _read(output, strict=not overwrite)
    if found != settings and not overwrite:
        if found is None:
            problem = _foreign(files, output)
        elif any(x.exists() for x in results):
            problem = _refusal(output, found, settings)
        else:
            problem = ""
        if problem:
            # Another process may have begun meanwhile, and the results be its own.
            found = _read(output, strict=True)
            if found != settings:
                raise RunError(problem)
    if found != settings:
        for old in forget:
            old.unlink(missing_ok=True)
        # Of several processes that begin together the first one writes the file.
        write_json(path, settings, replace=found is not None or overwrite)
        written = _read(output, strict=True)
        if written != settings:
            raise RunError(_refusal(output, written or {}, settings))
    remove_stale_parts(output)
    return path.stat().st_mtime_ns


@naming_the_file()
def require(output: Path, settings: Settings) -> int:
    """Time in ns since which results in a folder are of these settings.

    Raises:
      RunError: it was not claimed, or with other settings.
    """
    found = _read(output, strict=True)
    if found is None:
        raise RunError(
            f"{output}: expected the results of --shard=1/N, --shard=2/N, ..., but "
            f"there is no {_FILE}; run the shards with this --output first."
        )
    if found != settings:
        raise RunError(_refusal(output, found, settings))
    return (output / _FILE).stat().st_mtime_ns


def _read(output: Path, *, strict: bool) -> Settings | None:
    """The settings in force in a folder; None if there are none.

    Raises:
      RunError: if ``strict``, the file holds something else.
    """
    for path in (output / _FILE, output / _OLD_FILE):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except ValueError:
            found = None
        if isinstance(found, dict) and "weights_sha256" in found:
            return found
        if strict and path.name == _FILE:
            raise RunError(
                f"{path}: expected the settings of a run, but the file holds something "
                "else; give another --output folder, or replace it with --overwrite."
            )
    return None


def _foreign(files: Iterable[Path], output: Path) -> str:
    """A sentence on the first file that is there, which no run wrote; or nothing."""
    for file in files:
        if os.path.exists(file):  # no to names that are too long for a file
            return (
                f"{file}: the file is there, but {output} holds no {_FILE}, so no run "
                "wrote it; give another --output folder, or replace it with "
                "--overwrite."
            )
    return ""


def _refusal(output: Path, found: Settings, wanted: Settings) -> str:
    """Why results of found settings and of those wanted do not mix."""
    if "kind" not in found:
        return (
            f"{output}: the results there were made by uhseg_jax "
            f"{found.get('version')}, which recorded its settings otherwise; {_ADVICE}"
        )
    if found["kind"] != wanted["kind"]:
        theirs, ours = (_COMMANDS.get(x["kind"], x["kind"]) for x in (found, wanted))
        return f"{output}: the results there are of {theirs}, not of {ours}; {_ADVICE}"
    return (
        f"{output / _FILE}: the results there were made with other settings "
        f"({_differences(found, wanted)}); {_ADVICE}"
    )


def _differences(found: Settings, wanted: Settings) -> str:
    """The fields that differ, those of the config and the refinement one by one."""
    found, wanted = _flat(found), _flat(wanted)
    said = []
    for name in {**wanted, **found}:
        there, now = str(found.get(name)), str(wanted.get(name))
        if there != now:
            short = max(len(there), len(now)) <= _LONGEST
            said.append(f"{name} {there} there and {now} now" if short else name)
    return "; ".join(said)


def _flat(settings: Settings, prefix: str = "") -> dict[str, Any]:
    """Nested fields under dotted names; those of the config without its name."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, "" if name == "config" else f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
