"""Where the installed commands begin: with help, or with what does their work.

Only the work imports JAX, which takes a second.
"""

import importlib
import sys

from uhseg_jax.cli import help_texts, terminal

__all__ = ["benchmark", "compare", "convert", "evaluate", "export", "segment"]


def segment() -> None:
    """`uhseg-segment`."""
    _run("uhseg-segment")


def evaluate() -> None:
    """`uhseg-evaluate`."""
    _run("uhseg-evaluate")


def export() -> None:
    """`uhseg-export`."""
    _run("uhseg-export")


def compare() -> None:
    """`uhseg-compare`."""
    _run("uhseg-compare")


def convert() -> None:
    """`uhseg-convert`."""
    _run("uhseg-convert")


def benchmark() -> None:
    """`uhseg-benchmark`."""
    _run("uhseg-benchmark")


def _run(command: str) -> None:
    text = help_texts.kept(command, sys.argv[1:])
    if text is None:
        module = help_texts.COMMANDS[command]
        importlib.import_module(f"uhseg_jax.cli.{module}").run()
        return
    terminal.guard_streams()
    terminal.out(text.rstrip("\n"))
    terminal.tell_of_losses()
