"""What help says of a method: presets, parameters, and what makes trees finer."""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from uhseg_jax.cli import flags
from uhseg_jax.methods import METHODS, Method

__all__ = ["described", "with_method"]

_WIDTH = 80


def with_method(summary: str | None, values: flags.Flags, *, flag: str) -> str:
    """The help text of a command that has a method, whose parameters are the last.

    Args:
      summary: what the command does.
      values: its flags, of which the method and its preset are described.
      flag: what the name of a parameter follows, such as ``--config.``.

    Raises:
      ValueError: there is no such method or preset.
    """
    method = described(METHODS.find(values.method), values.preset)
    return (
        f"{summary}\nFlags:\n{flags.help_text(values)}\n\n"
        f"Parameters of methods are given as {flag}NAME=VALUE.\n\n{method}"
    )


def described(method: Method, preset: str = "default") -> str:
    """What a method is, its presets, and its parameters with the values of one."""
    presets = (
        _entry(name, _first_paragraph(make)) for name, make in method.presets.items()
    )
    parameters = (
        _entry(f"{name}={value}", meaning)
        for name, value, meaning in _parameters(method.preset(preset))
    )
    lines = [
        *textwrap.wrap(f"{method.name}: {method.summary}.", _WIDTH),
        "",
        "Presets:",
        *presets,
        "",
        f"Parameters of the preset {preset}:",
        *parameters,
    ]
    if method.finer:
        lines += ["", *textwrap.wrap(f"Finer trees: {method.finer}", _WIDTH)]
    return "\n".join(lines)


def _entry(name: str, meaning: str) -> str:
    return textwrap.fill(
        f"{name}: {meaning}",
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )


def _first_paragraph(thing: Any) -> str:
    text = inspect.getdoc(thing) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _parameters(config: Any, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Of each parameter the name, the value as a flag takes it, and the meaning."""
    meanings = _attributes(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _parameters(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, _text(value), meanings.get(field.name, "")


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return str(value).lower() if value is None or value in (True, False) else str(value)


def _attributes(cls: type) -> Mapping[str, str]:
    """What the docstring of a class says of its attributes."""
    lines = (inspect.getdoc(cls) or "").splitlines()
    found: dict[str, str] = {}
    if "Attributes:" not in lines:  # of a method of the user's
        return found
    name = ""
    for line in lines[lines.index("Attributes:") + 1 :]:
        if line and not line.startswith(" "):
            break  # the next section
        if begun := re.match(r"  (\w+): (.*)", line):
            name, found[begun[1]] = begun[1], begun[2]
        elif line.strip():
            found[name] += f" {line.strip()}"
    return {name: meaning.replace("`", "") for name, meaning in found.items()}
