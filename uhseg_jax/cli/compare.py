"""`uhseg-compare`: evaluations side by side, with standard errors.

Usage: uhseg-compare FOLDER... [--labels=NAME,...] [--output=NAME]

Reads the folders that uhseg-evaluate wrote and writes NAME.md, a table of their scores
with standard errors and, on the same images, differences to the first folder; and
NAME.png, the scores against the number of regions. Folders of several datasets may be
mixed: each is compared with the first of its own.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from uhseg_jax.cli import startup, terminal
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.files import atomic_write, expand_home
from uhseg_jax.runs import compare, curves


def _define(values: flags.FlagValues) -> None:
    defined: Any = {"flag_values": values, "module_name": sys.argv[0]}
    values.set_gnu_getopt(True)  # flags after folders count too
    flags.DEFINE_bool("help", False, "show this help", **defined)
    flags.DEFINE_list(
        "labels",
        [],
        "what to call the folders, in their order; by default the last part of their "
        "paths",
        **defined,
    )
    flags.DEFINE_list(
        "scores", list(compare.SHOWN), "rows of the table, where there are such",
        **defined,
    )  # fmt: skip
    flags.DEFINE_string(
        "output", "comparison", "path of the results without suffix", **defined
    )
    flags.DEFINE_bool("overwrite", False, "replace files of these names", **defined)


def main(argv: Sequence[str]) -> int:
    """Compares the folders that a command line names.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if a folder could not be read or a file not be written, 2 for a
      command line that makes no sense, 130 if interrupted.
    """
    return startup.exit_status(lambda: _run(argv))


def _run(argv: Sequence[str]) -> int:
    values = flags.FlagValues()
    _define(values)
    try:
        named = values(list(argv))[1:]
    except flags.Error as error:
        raise UsageError(f"{error}. See uhseg-compare --help.") from error
    if values.help:
        terminal.out(f"{__doc__}\nFlags:\n{values.main_module_help()}")
        return 0
    folders = [expand_home(x) for x in named]
    labels = values.labels or [x.resolve().name for x in folders]
    if not folders or len(labels) != len(folders):
        raise UsageError(
            "expected folders that uhseg-evaluate wrote and, if any, one label for "
            f"each, but got {len(folders)} folders and {len(labels)} labels. See "
            "uhseg-compare --help."
        )
    output = expand_home(values.output)
    paths = [output.with_name(f"{output.name}{x}") for x in (".md", ".png")]
    _require_absent([] if values.overwrite else paths)
    groups = compare.group(
        [
            compare.read_evaluation(folder, label=label)
            for folder, label in zip(folders, labels, strict=True)
        ]
    )
    text = compare.table(groups, values.scores)
    with atomic_write(paths[0]) as aside:
        aside.write_text(text, encoding="utf-8")
    with atomic_write(paths[1]) as aside:
        curves.draw(aside, groups)
    terminal.out(f"{text}\nWritten: {' '.join(map(str, paths))}")
    return 0


def _require_absent(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists():
            raise FileExistsError(
                f"{path}: the file is there; give another --output, or replace it with "
                "--overwrite."
            )


def run() -> None:
    """Entry point of the installed command."""
    startup.run_command(main, prepare=[startup.keep_quiet])


if __name__ == "__main__":
    run()
