"""`uhseg-compare`: evaluations side by side, with standard errors and differences.

Usage: uhseg-compare FOLDER FOLDER... --output=FOLDER [--labels=NAME,...]

Reads the folders that uhseg-evaluate wrote and writes a folder with index.html, a page
to look at: which evaluation is better, by how much and whether that is more than
chance, curves, and the images on which they differ most. Beside it table.md, table.tex
and table.csv, curves.png (scores against numbers of regions) and precision_recall.png.
Differences are to the first folder, on the same images: folders of one dataset that
were scored otherwise or on other images are refused. Folders of several datasets may be
mixed: each is compared with the first of its own. `uhseg-evaluate --compare` is the
same.
"""

from collections.abc import Collection, Sequence
from typing import Any

from absl import flags

from uhseg_jax.cli import help_texts, startup, terminal
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.comparison import folder
from uhseg_jax.comparison.groups import group
from uhseg_jax.comparison.reading import read_evaluation
from uhseg_jax.comparison.scores import SHOWN
from uhseg_jax.comparison.tables import markdown
from uhseg_jax.files import expand_home
from uhseg_jax.registry import suggest

__all__ = ["compare", "main", "run"]


def _define(values: flags.FlagValues) -> None:
    defined: Any = {"flag_values": values, "module_name": __name__}
    values.set_gnu_getopt(True)  # flags after folders count too
    flags.DEFINE_bool("help", False, "show this help", short_name="h", **defined)
    flags.DEFINE_list(
        "labels",
        [],
        "what to call the folders, in their order; by default the last parts of their "
        "paths, as many as it takes to tell them from each other",
        **defined,
    )
    flags.DEFINE_list(
        "scores", list(SHOWN), "rows of the tables in Markdown and LaTeX, where there "
        "are such", **defined,
    )  # fmt: skip
    flags.DEFINE_string("output", "comparison", "folder for the comparison", **defined)
    flags.DEFINE_bool(
        "overwrite",
        False,
        "replace files of its names, but no index.html that no comparison wrote",
        **defined,
    )


def main(argv: Sequence[str]) -> int:
    """Compares the folders that a command line names.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if a folder could not be read or a file not be written, 2 for a
      command line that makes no sense, 130 if interrupted.
    """
    return startup.exit_status(lambda: compare(argv))


def compare(argv: Sequence[str]) -> int:
    """As `main`, but raises what stops it."""
    values = flags.FlagValues()
    _define(values)
    try:
        named = values(list(argv))[1:]
    except flags.Error as error:
        raise UsageError(f"{error}. See uhseg-compare --help.") from error
    if values.help:
        terminal.out(f"{__doc__}\nFlags:\n{help_texts.listed(values)}")
        return 0
    folders = [expand_home(x) for x in named]
    if not folders or (values.labels and len(values.labels) != len(folders)):
        raise UsageError(
            "expected folders that uhseg-evaluate wrote and, if any, one label for "
            f"each, but got {len(folders)} folders and {len(values.labels)} labels. "
            "See uhseg-compare --help."
        )
    if not values.output:
        raise UsageError("--output expects a folder, but it is empty.")
    output = expand_home(values.output)
    folder.require_free(output, overwrite=values.overwrite)
    evaluations = [read_evaluation(x) for x in folders]
    if values["scores"].present:
        _require_known(values.scores, {key for x in evaluations for key in x.scores})
    groups = group(evaluations, values.labels or None)
    folder.write(output, folder.rendered(groups, values.scores))
    terminal.out(
        f"{markdown(groups, values.scores)}\nOpen {output / folder.PAGE}; the tables "
        "and plots lie beside it."
    )
    return 0


def _require_known(keys: Sequence[str], known: Collection[str]) -> None:
    """Stops where a score is asked for that no evaluation has."""
    for key in keys:
        if key not in known:
            raise UsageError(
                f"--scores: none of the folders has a score {key!r}."
                f"{suggest(key, known)} metrics.json in a folder lists its scores."
            )


def run() -> None:
    """Entry point of the installed command."""
    startup.run_command(main, prepare=[startup.keep_quiet])


if __name__ == "__main__":
    run()
