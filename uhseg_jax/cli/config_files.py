"""The files of configs/ and the flags that override what they say."""

import dataclasses
import os
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from ml_collections import ConfigDict

import uhseg_jax
from uhseg_jax.cli.overrides import UsageError, override
from uhseg_jax.files import expand_home
from uhseg_jax.methods import METHODS
from uhseg_jax.protocols import Scoring
from uhseg_jax.python_files import load_module
from uhseg_jax.registry import suggest
from uhseg_jax.validators import TEXT, check

__all__ = ["ConfigError", "Experiment", "find_config", "freeze", "read_config"]

_PACKAGE = Path(uhseg_jax.__file__).parent
_PRESETS = ("method=", "preset=")
_TEXTS = ("dataset", "split", "model", "method", "names")


class ConfigError(ValueError):
    """A config file does not say what it should; the message says what that is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(Scoring):
    """What a config file describes: a dataset, a method, and the fields of `Scoring`.

    Attributes:
      dataset: name of one of `datasets.DATASETS`, or ``FILE.py:NAME``.
      split: name of one of its splits.
      model: name of one of `backbones.VARIANTS`, or ``FILE.py:NAME``.
      method: name of one of `methods.METHODS`.
      parameters: the method's frozen config.
      names: text file with the examples to take, one a line; None for all.

    Raises:
      ValueError: a field has a value that it cannot have.
    """

    dataset: str
    split: str
    model: str
    method: str
    parameters: Any
    names: str | None = None

    @property
    def scoring(self) -> Scoring:
        """How the images are prepared and scored."""
        fields = dataclasses.fields(Scoring)
        return Scoring(**{x.name: getattr(self, x.name) for x in fields})


def read_config(
    path: str | os.PathLike[str], overrides: Sequence[str] = ()
) -> Experiment:
    """Runs ``get_config()`` of a file and replaces what the flags say.

    Args:
      path: a Python file as those of configs/, or the name of one of them.
      overrides: texts such as ``model=dinov2_vitb14_reg`` and ``parameters.seed=3``.
        Another ``method`` comes with its default parameters; ``preset=NAME`` takes
        named ones of the method.

    Raises:
      ConfigError: the file is no config, or a field is missing or unknown or has a
        value that it cannot have.
      UsageError: an override names no field or has a value that it cannot have.
    """
    path = find_config(path)
    config = _call(path)
    if not isinstance(config, ConfigDict):
        raise ConfigError(
            f"{path}: expected get_config() to return an ml_collections.ConfigDict, "
            f"but it returned {type(config).__name__}."
        )
    fields = config.to_dict()
    given = dict(x.split("=", 1) for x in overrides if x.startswith(_PRESETS))
    if {"method", "preset"} & given.keys():
        fields["method"] = given.get("method", fields.get("method"))
        fields["parameters"] = _named(str(fields["method"]), given)
    try:
        experiment = _experiment(fields)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return override(experiment, [x for x in overrides if not x.startswith("preset=")])


def find_config(path: str | os.PathLike[str]) -> Path:
    """The file that somebody means.

    Args:
      path: a file; or, where there is none, ``voc2012`` or ``configs/voc2012.py`` for
        that one of configs/, wherever it is installed.

    Raises:
      ConfigError: there is no such file.
    """
    file = expand_home(path)
    if file.is_file():
        return file
    # A wheel has them in the package, a checkout beside it.
    installed, checkout = (x / "configs" for x in (_PACKAGE, _PACKAGE.parent))
    files = [*installed.glob("*.py")] or [*checkout.glob("*.py")]
    ours = {x.stem: x for x in sorted(files)}
    name = file.stem
    if name in ours and file in (Path(name), Path("configs", f"{name}.py")):
        return ours[name]
    raise ConfigError(
        f"{path}: expected a config file, or one of the names {', '.join(ours)}, but "
        f"it is neither.{suggest(name, ours)}"
    )


def _named(method: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The named parameters of a method, for an override.

    Raises:
      UsageError: there is no such method or preset.
    """
    try:
        return dataclasses.asdict(
            METHODS.find(method).preset(given.get("preset", "default"))
        )
    except ValueError as error:
        raise UsageError(f"--config: {error}") from error


def _experiment(fields: dict[str, Any]) -> Experiment:
    known = dataclasses.fields(Experiment)
    needed = [x.name for x in known if x.default is dataclasses.MISSING]
    missing = sorted(set(needed) - set(fields))
    unknown = sorted(set(fields) - {x.name for x in known})
    if missing or unknown:
        said = [f"lacks {', '.join(missing)}"] * bool(missing)
        said += [f"has {', '.join(unknown)}"] * bool(unknown)
        others = [x.name for x in known if x.name not in needed]
        raise ValueError(
            f"the config {' and '.join(said)}; expected the fields "
            f"{', '.join(needed)} and, if need be, {', '.join(others)}."
        )
    parameters = fields["parameters"]
    if not isinstance(parameters, dict):
        raise ValueError(
            "expected parameters to name the method's parameters with their values, "
            f"but it is {parameters!r}."
        )
    texts = {x: check(x, fields[x], TEXT) for x in _TEXTS if x in fields}
    frozen = freeze(parameters, METHODS.find(texts["method"]).config)
    return Experiment(**{**fields, **texts, "parameters": frozen})


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
        if typing.get_origin(kind) is Annotated:
            kind = typing.get_args(kind)[0]
        if dataclasses.is_dataclass(kind) and isinstance(value, (Mapping, ConfigDict)):
            return freeze(value, kind)  # type: ignore[arg-type]
        return tuple(value) if isinstance(value, (list, tuple)) else value

    return cls(**{name: frozen(fields[name], x) for name, x in parameters.items()})


def _call(path: Path) -> Any:
    """What ``get_config()`` of a file returns."""
    if path.suffix != ".py":
        raise ConfigError(f"{path}: expected a Python file, as those of configs/.")
    try:
        module = load_module(path, "uhseg_config")
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
