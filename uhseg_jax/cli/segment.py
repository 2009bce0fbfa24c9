"""`uhseg-segment`: photographs in, trees of nested regions out.

Usage: uhseg-segment [IMAGE, FOLDER or PATTERN]... [--output=DIR] [flags]

Writes for every image NAME.npz (the tree) and NAME.png (the image beside several
levels of its tree), and for all together coco.json and index.html, which opens in a
browser without a server. The same command again goes on where a run was stopped.
With --method=multilevel_clustering the images are one collection: their objects are
found and sorted into categories, which index.html shows.

A large collection is divided among machines with one folder for the results: by
--distributed, which JAX coordinates, or by --shard=1/100, --shard=2/100 and so on,
which need not run at one time; then the same command with --join in place of --shard
writes coco.json and index.html.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from uhseg_jax.cli import flags, method_help, startup, terminal
from uhseg_jax.cli.segment_flags import (
    batch_size_of,
    bound_note,
    config_of,
    decoding_of,
    options_of,
    parse,
    shard_of,
)
from uhseg_jax.runs import hosts, segment
from uhseg_jax.runs.images import (
    FoundImages,
    RunImage,
    demo_run_image,
    find_run_images,
)


def main(argv: Sequence[str]) -> int:
    """Segments the images that a command line names.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if an image or the whole run failed, 2 for a command line that
      makes no sense, 130 if interrupted.
    """
    return startup.exit_status(lambda: _run(argv))


def _run(argv: Sequence[str]) -> int:
    values = parse(argv)
    if values.help:
        terminal.out(method_help.with_method(__doc__, values, flag="--config."))
        return 0
    chosen = {
        "config": config_of(values),
        "refinement": flags.refinement_of(values, method=values.method),
    }
    flags.join_hosts(values)
    output = flags.output_of(values)
    if values.images:
        decoding = decoding_of(values)
        found = find_run_images(values.images, output=output, decoding=decoding)
    else:
        found = FoundImages((demo_run_image(),))
        title = found.images[0].title
        terminal.err(f"No image was named; taking scikit-image's {title}.")
    bound = bound_note(values, chosen["config"])
    for sentence in (*found.problems, *found.notes, *bound):
        terminal.err(sentence)
    report = _segment(values, found.images, **chosen)
    done = report.segmented + report.skipped
    counts = f"{report.segmented} segmented, {report.skipped} done before"
    terminal.out(f"{counts}, {len(report.failures)} failed. Results are in {output}.")
    is_joined = not values.shard and hosts.index() == 0
    if "html" in values.format and done and is_joined:
        terminal.out(f"Open {(output / 'index.html').absolute()} in a browser.")
    _complain("These images have no result:", [x.reason for x in report.failures])
    _complain("These places were not searched:", found.problems)
    return 1 if report.failures or found.problems else 0


def _complain(title: str, sentences: Sequence[str]) -> None:
    """Lists what went wrong, if anything did."""
    if sentences:
        terminal.err(title)
    for sentence in sentences:
        terminal.err(f"  {terminal.printable(sentence, one_line=True)}")


def _segment(
    values: flags.Flags, images: Sequence[RunImage], **chosen: Any
) -> segment.Report:
    segmenter = flags.segmenter_of(
        values, model=values.model, method=values.method, **chosen
    )
    settings = segment.settings_of(segmenter, images)
    output, shard = flags.output_of(values), shard_of(values)
    which: dict[str, Any] = {"formats": values.format}
    options = options_of(values)
    if values.join:
        with (
            segment.claim_joined(output, settings, **which) as claimed,
            _progress(len(images), ()) as callbacks,
        ):
            del callbacks["on_pass"]
            return segment.join_results(
                images, claimed, options=options, **which, **callbacks
            )
    which["shard"] = shard
    claimed = segment.claim_images(
        output, settings, images, overwrite=values.overwrite, **which
    )
    share = (shard or hosts.share()).of(len(images))
    with claimed, _progress(len(share), segmenter.method.passes) as callbacks:
        return segment.segment_images(
            segmenter,
            images,
            claimed,
            options=options,
            batch_size=batch_size_of(values),
            **which,
            **callbacks,
        )


@contextlib.contextmanager
def _progress(count: int, passes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A bar over the passes and then the results, with the callbacks that move it."""
    with terminal.Bar((len(passes) + 1) * count) as bar:

        def on_pass(stage: str, index: int) -> None:
            bar.move(passes.index(stage) * count + index + 1, stage)

        def on_done(image: RunImage, failure: str) -> None:
            if failure:
                bar.err(failure)
            done = max(bar.done, len(passes) * count) + 1
            bar.move(done, image.title[-40:])

        yield {"on_pass": on_pass, "on_done": on_done}


def run() -> None:
    """Entry point of the installed command."""
    startup.run_command(main)


if __name__ == "__main__":
    run()
