"""`uhseg-export`: finished results in the formats of other tools.

Usage: uhseg-export RESULTS... --format=FORMAT,... [--output=DIR] [flags]

RESULTS are the --output folder of uhseg-segment, folders below it, or npz files. Their
trees become label maps, masks, tables or the annotations that other tools read: of the
whole tree or of a cut (--num_regions, --cost, --depth), nested or disjoint, without
small regions or the background, or of those that somebody selected in index.html.
Nothing is computed anew, and no model is loaded but the CLIP of --labels. Each export
has a folder of its own, in which export.json says what it is.
"""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

from absl import flags

from uhseg_jax.cli import help_texts, progress, startup, terminal
from uhseg_jax.cli.export_flags import (
    notes_of,
    options_of,
    output_of,
    parse,
    said_of,
    selection_of,
)
from uhseg_jax.cli.naming_flags import naming_of
from uhseg_jax.export.selections import all_named, names_of
from uhseg_jax.runs.export import Report, export_results, open_for
from uhseg_jax.runs.names import Naming
from uhseg_jax.runs.record import naming_the_file
from uhseg_jax.runs.results import FoundResult, find_results

__all__ = ["main", "run"]


def main(argv: Sequence[str]) -> int:
    """Exports the results that a command line names.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if a result or the whole export failed, 2 for a command line
      that makes no sense, 130 if interrupted.
    """
    return startup.exit_status(lambda: _run(argv))


def _run(argv: Sequence[str]) -> int:
    values, specs = parse(argv)
    if values.help:
        terminal.out(f"{__doc__}\nFlags:\n{help_texts.listed(values)}")
        return 0
    output = output_of(values)
    found = find_results(
        specs, images=values.images, max_bytes=int(values.image_memory * 2**30)
    )
    options, selected = options_of(values, found.num_categories), None
    if values.selection is not None:
        selected = selection_of(values)
        found = found.only(selected)
        images = selected.values()
        options = dataclasses.replace(
            options, names=names_of(images), named=all_named(images)
        )
    for sentence in (*found.problems, *notes_of(values)):
        terminal.err(terminal.printable(sentence, one_line=True))
    report, naming = _export(
        values,
        found.results,
        options=options,
        selected=selected,
        said=said_of(values, specs),
    )
    if report.bare:
        terminal.err(terminal.printable(_none_left(report.bare), one_line=True))
    failed = len(report.failures) + len(found.problems)
    terminal.out(f"{report.exported} exported, {failed} failed. They are in {output}.")
    if naming:
        terminal.out(naming.summary())
    return 1 if failed else 0


@naming_the_file("the export begins anew with --overwrite")
def _export(
    values: flags.FlagValues,
    results: Sequence[FoundResult],
    **how: Any,
) -> tuple[Report, Naming | None]:
    """Exports results; also what named them, which is loaded when the folder is had."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(
            open_for(
                results, output_of(values), values.format, overwrite=values.overwrite
            )
        )
        naming = naming_of(values)
        bar = stack.enter_context(progress.Bar(len(results)))

        def on_done(result: FoundResult, failure: str) -> None:
            if failure:
                bar.err(failure)
            bar.move(bar.done + 1, result.title[-40:])

        report = export_results(
            results, folder, values.format, on_done=on_done, complete=naming, **how
        )
        return report, naming


def _none_left(titles: Sequence[str]) -> str:
    """A sentence on images in which no region is left."""
    images = "" if len(titles) == 1 else f"{len(titles)} images, such as "
    return (
        f"no region is left in {images}{titles[0]}. See uhseg-export --help on which "
        "regions are chosen."
    )


def run() -> None:
    """Entry point of the installed command."""
    startup.run_command(main, prepare=[startup.keep_quiet])


if __name__ == "__main__":
    run()
