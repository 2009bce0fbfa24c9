"""The folder of an evaluation: whose scores it holds, and how they are written."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax

from uhseg_jax import backbones
from uhseg_jax.datasets.source import Source
from uhseg_jax.files import atomic_write

__all__ = ["EvaluationError", "claim", "describe", "write_scores"]

_SETTINGS = "settings.json"


class EvaluationError(ValueError):
    """An evaluation cannot go on; the message says why and what to do."""


def describe(
    source: Source, backbone: backbones.Backbone, *, version: str, **others: Any
) -> dict[str, Any]:
    """What scores depend on, JSON-ready.

    Args:
      source: images with ground truth.
      backbone: of the method.
      version: of this package.
      others: the method, its config and whatever else.
    """
    settings = {
        "version": version,
        "jax": jax.__version__,
        "platform": jax.default_backend(),
        "dataset": source.name,
        "examples": len(source),
        "fingerprint": source.fingerprint(),
        "taxonomy": source.taxonomy.to_text(),
        "model": backbone.name,
        "weights_sha256": backbone.weights_sha256,
        "dtype": str(backbone.module.dtype),
        **others,
    }
    return json.loads(json.dumps(settings))


def claim(
    output: Path,
    settings: dict[str, Any],
    *,
    stale: Iterable[str],
    overwrite: bool,
) -> None:
    """Makes a folder that of these settings, or says whose it is.

    Args:
      output: the folder; created if need be.
      settings: from `describe`.
      stale: patterns of the files that a folder made anew must not hold.
      overwrite: make it anew whatever was there.

    Raises:
      EvaluationError: it holds results of other settings.
    """
    path = output / _SETTINGS
    if path.exists() and not overwrite:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found = {}
        if not isinstance(found, dict):
            found = {}
        if found == settings:
            return
        names = [
            name
            for name in {**settings, **found}
            if found.get(name) != settings.get(name)
        ]
        raise EvaluationError(
            f"{output}: the scores there were made with other settings "
            f"({', '.join(names)} differ); give another --output folder, or "
            "replace them with --overwrite."
        )
    for pattern in stale:
        for old in output.glob(pattern):
            old.unlink(missing_ok=True)
    with atomic_write(path) as aside:
        aside.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def write_scores(path: Path, scores: Mapping[str, float]) -> None:
    """Writes scores; JSON has no NaN, so a score of nothing is null."""
    with atomic_write(path) as aside:
        known = {k: None if math.isnan(v) else v for k, v in scores.items()}
        aside.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
