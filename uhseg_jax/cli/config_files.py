"""The files of configs/ and the flags that override what they say."""

import dataclasses
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from uhseg_jax import methods
from uhseg_jax.cli.overrides import UsageError, override
from uhseg_jax.protocols.scoring import Scoring

__all__ = ["ConfigError", "Experiment", "freeze", "read_config"]

_TEXTS = ("dataset", "split", "model", "method")
_PARAMETERS = "parameters"
_NAMES = "names"
_SCORING = tuple(field.name for field in dataclasses.fields(Scoring))


class ConfigError(ValueError):
    """A config file does not say what it should; the message says what that is."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What a config file describes.

    Attributes:
      dataset: one of `datasets.DATASETS`.
      split: of the dataset.
      model: name of a variant.
      method: name of a method.
      parameters: the method's frozen config.
      scoring: how the trees are scored.
      names: text file with the examples to take, one a line; None for all.
    """

    dataset: str
    split: str
    model: str
    method: str
    parameters: Any
    scoring: Scoring
    names: str | None


def read_config(
    path: str | os.PathLike[str], overrides: Sequence[str] = ()
) -> Experiment:
    """Runs ``get_config()`` of a file and replaces what the flags say.

    Args:
      path: a Python file as those of configs/.
      overrides: texts such as ``model=dinov2_vitb14_reg`` and ``parameters.seed=3``.

    Raises:
      ConfigError: the file is no config, or lacks a field.
      UsageError: an override names no field or has a value that it cannot have.
      ValueError: there is no such method, or a parameter is out of its range.
    """
    path = Path(path).expanduser()
    fields = _fields(path)
    assignments, scored = [], []
    for text in overrides:
        name, equals, value = text.partition("=")
        if name.startswith(f"{_PARAMETERS}."):
            assignments.append(text.removeprefix(f"{_PARAMETERS}."))
        elif equals and name in _SCORING:
            scored.append(text)
        elif equals and name in (*_TEXTS, _NAMES):
            fields[name] = value
        else:
            raise UsageError(
                f"--config.{text}: expected --config.NAME=VALUE, NAME one of "
                f"{', '.join((*_TEXTS, _NAMES, *_SCORING))} and "
                f"{_PARAMETERS}.PARAMETER."
            )
    method = methods.METHODS.find(fields["method"])
    try:
        parameters = freeze(fields[_PARAMETERS], method.config)
        scoring = Scoring(**{n: fields[n] for n in _SCORING if n in fields})
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return Experiment(
        **{name: fields[name] for name in _TEXTS},
        parameters=override(parameters, assignments, flag=f"--config.{_PARAMETERS}"),
        scoring=override(scoring, scored),
        names=fields.get(_NAMES),
    )


def freeze(parameters: Mapping[str, Any] | ConfigDict, cls: type) -> Any:
    """A method's frozen config from a mutable one.

    Raises:
      ValueError: the method has no such parameter, or not with such a value.
    """
    fields = {field.name: field.type for field in dataclasses.fields(cls)}
    unknown = sorted(set(parameters) - set(fields))
    if unknown:
        raise ValueError(
            f"the config sets {', '.join(unknown)}, but there are the parameters "
            f"{', '.join(fields)}."
        )

    def frozen(kind: Any, value: Any) -> Any:
        if dataclasses.is_dataclass(kind) and isinstance(value, (Mapping, ConfigDict)):
            return freeze(value, kind)  # type: ignore[arg-type]
        return tuple(value) if isinstance(value, (list, tuple)) else value

    return cls(**{name: frozen(fields[name], x) for name, x in parameters.items()})


def _fields(path: Path) -> dict[str, Any]:
    """The checked fields of a config file."""
    config = _call(path)
    if not isinstance(config, ConfigDict):
        raise ConfigError(
            f"{path}: expected get_config() to return an ml_collections.ConfigDict, "
            f"but it returned {type(config).__name__}."
        )
    fields = config.to_dict()
    expected = {*_TEXTS, _PARAMETERS}
    missing = sorted(expected - set(fields))
    unknown = sorted(set(fields) - expected - {_NAMES, *_SCORING})
    if missing or unknown:
        said = [f"lacks {', '.join(missing)}"] * bool(missing)
        said += [f"has {', '.join(unknown)}"] * bool(unknown)
        raise ConfigError(
            f"{path}: the config {' and '.join(said)}; expected the fields "
            f"{', '.join((*_TEXTS, _PARAMETERS))} and, if need be, "
            f"{', '.join((_NAMES, *_SCORING))}."
        )
    for name in (*_TEXTS, *({_NAMES} & set(fields))):
        if not isinstance(fields[name], str):
            raise ConfigError(
                f"{path}: expected {name} to be a text, but it is {fields[name]!r}."
            )
    if not isinstance(fields[_PARAMETERS], dict):
        raise ConfigError(
            f"{path}: expected {_PARAMETERS} to name the method's parameters with "
            f"their values, but it is {fields[_PARAMETERS]!r}."
        )
    return fields


def _call(path: Path) -> Any:
    """What ``get_config()`` of a file returns."""
    if not path.is_file():
        raise ConfigError(f"{path}: expected a config file, but there is none.")
    spec = importlib.util.spec_from_file_location("uhseg_config", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: expected a Python file, as those of configs/.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        get_config = getattr(module, "get_config", None)
        if callable(get_config):
            return get_config()
    except Exception as error:  # whatever the user's code raises
        raise ConfigError(
            f"{path}: the config cannot be loaded ({type(error).__name__}: {error})."
        ) from error
    raise ConfigError(
        f"{path}: expected a function get_config(), as in the files of configs/."
    )
