"""What the results of a run depend on, and how two such settings differ."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import uhseg_jax

__all__ = ["Settings", "describe", "differences", "digest"]

# What the results of a run depend on, JSON-ready: "kind", "version" and so on.
Settings = dict[str, Any]

_LONGEST = 80  # characters of a value that a message shows


def describe(
    kind: str, segmenter: Any, identities: Iterable[str], **others: Any
) -> Settings:
    """The settings of a run.

    Args:
      kind: "segment" or "evaluate", whose results never share a folder.
      segmenter: a `pipeline.Segmenter`: model, method and refinement. What the dtype
        "auto" is depends on the machine, so the one that it came to is recorded too.
      identities: texts that tell the images apart from others, for methods that learn
        from all of them; others do not iterate over them.
      others: whatever else results of this kind depend on.
    """
    settings = {
        "kind": kind,
        "version": uhseg_jax.__version__,
        **segmenter.backbone.settings(),
        "method": segmenter.method.name,
        "config": segmenter.method.settings(segmenter.config, identities),
        "refinement": segmenter.refinement.to_dict(),
        **others,
    }
    return json.loads(json.dumps(settings))  # tuples become lists, as in the file


def digest(settings: Settings) -> str:
    """SHA-256 of the settings, in hexadecimal, whatever the order of their names."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differences(found: Settings, wanted: Settings) -> str:
    """The fields that differ, those of the config and the refinement one by one."""
    found, wanted = _flat(found), _flat(wanted)
    said = []
    for name in {**wanted, **found}:
        there, now = (str(x.get(name)) or "none" for x in (found, wanted))
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
