"""`uhseg-segment --tile`: images of any size in, one tree for each out."""

import contextlib
from collections.abc import Iterator
from typing import Any

from uhseg_jax.cli import flags, progress, terminal
from uhseg_jax.cli.raster_flags import raster_formats_of
from uhseg_jax.cli.segment_flags import (
    bound_note,
    config_of,
    decoding_of,
    options_of,
)
from uhseg_jax.pipeline import require_graphs
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.raster_claims import (
    RasterOptions,
    claim_rasters,
    find_rasters,
    raster_settings,
)
from uhseg_jax.runs.segment_rasters import segment_rasters

__all__ = ["run_rasters"]


def run_rasters(values: flags.Flags) -> int:
    """Segments the rasters that a command line names.

    Args:
      values: its flags, checked.

    Returns:
      The exit status of the command.
    """
    config = config_of(values)
    refinement = flags.refinement_of(values, method=values.method)
    flags.join_hosts(values)
    formats, notes = raster_formats_of(values)
    for sentence in (*notes, *bound_note(values, config)):
        terminal.err(sentence)
    options = RasterOptions(
        values.tile,
        values.overlap,
        decoding_of(values).bands,
        formats,
        values.tolerance,
        options_of(values),
    )
    output = flags.output_of(values)
    found = find_rasters(values.images, output)
    for sentence in (*found.problems, *found.notes):
        terminal.err(sentence)
    segmenter = flags.segmenter_of(
        values,
        model=values.model,
        method=values.method,
        config=config,
        refinement=refinement,
    )
    require_graphs(segmenter.method)
    settings = raster_settings(segmenter, options)
    claimed = claim_rasters(
        output, settings, found.images, formats=formats, overwrite=values.overwrite
    )
    with claimed, _progress(values) as callbacks:
        report = segment_rasters(segmenter, found.images, claimed, options, **callbacks)
    failed = f"{len(report.failures)} failed"
    told = " (see above)" if report.failures else ""
    terminal.out(
        f"{report.segmented} segmented, {report.skipped} done before, {failed}{told}. "
        f"Results are in {output}."
    )
    if "html" in formats and report.segmented + report.skipped:
        terminal.out(f"Open {(output / 'index.html').absolute()} in a browser.")
    return 1 if report.failures or found.problems else 0


@contextlib.contextmanager
def _progress(values: flags.Flags) -> Iterator[dict[str, Any]]:
    """A bar over the tiles of every raster, with the callbacks that move it."""
    kinds = progress.kinds_of(model=values.model, method=values.method)
    with contextlib.ExitStack() as stack:
        bars: dict[str, progress.Bar] = {}

        def on_tile(image: RunImage, done: int, count: int) -> None:
            if image.name not in bars:
                bar = progress.Bar(count, kinds=kinds, unit="tile")
                bars[image.name] = stack.enter_context(bar)
            is_last = done == count
            shown = "the tree and its files" if is_last else image.title[-40:]
            bars[image.name].move(done, shown)

        def on_done(image: RunImage, failure: str) -> None:
            stack.close()
            if failure:
                terminal.err(terminal.printable(failure, one_line=True))

        yield {"on_tile": on_tile, "on_done": on_done}
