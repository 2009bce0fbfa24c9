"""`uhseg-segment`: photographs in, trees of nested regions out.

Usage: uhseg-segment [IMAGE, FOLDER or PATTERN]... [--output=DIR] [flags]

Writes for every image NAME.npz (the tree) and NAME.png (the image beside several
levels of its tree), and for all together coco.json and index.html, which opens in a
browser without a server. The same command again goes on where a run was stopped.
With --method=multilevel_clustering the images are one collection: their objects are
found and sorted into categories, which index.html shows.

With --tile images may be of any size: they are read by windows, and of each there is
one tree, in NAME.raster, with labels in NAME.8.tif and so on.

A large collection is divided among machines with one folder for the results: by
--distributed, which JAX coordinates, or by --shard=1/100, --shard=2/100 and so on,
which need not run at one time; then the same command with --join in place of --shard
writes coco.json and index.html.

With --video the paths are clips, with --volume stacks of slices: of each there is
CLIP.npz (a tree of regions through time or depth), davis/CLIP (a PNG for every frame)
and CLIP.mp4 (the clip beside its regions), and of all together ytvis.json and
index.html, which plays them.

With --tile, --video and --volume go --format, --max_regions, --grid, --config,
--method, --preset, --model, --dtype, --device, --output and --overwrite, and with
--tile --levels and --bands too. Such files are segmented one after the other; to divide
them among machines give each its own.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from uhseg_jax.cli import flags, method_help, progress, startup, terminal
from uhseg_jax.cli.naming_flags import naming_of
from uhseg_jax.cli.raster_flags import is_of_rasters
from uhseg_jax.cli.segment_flags import (
    batch_size_of,
    bound_note,
    config_of,
    decoding_of,
    options_of,
    parse,
    shard_of,
)
from uhseg_jax.cli.segment_raster import run_rasters
from uhseg_jax.cli.segment_video import run_clips
from uhseg_jax.cli.video_flags import is_of_clips
from uhseg_jax.methods import METHODS
from uhseg_jax.runs import hosts, segment
from uhseg_jax.runs.images import (
    FoundImages,
    RunImage,
    demo_run_image,
    find_run_images,
)
from uhseg_jax.runs.lists import ImageList, read_list
from uhseg_jax.runs.names import Naming
from uhseg_jax.runs.own_features import with_features
from uhseg_jax.runs.segment_claims import claim_images, claim_joined

__all__ = ["main", "run"]

_NAMED = 5  # images that a warning names; the others are counted


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
    if is_of_clips(values):
        return run_clips(values)
    if is_of_rasters(values):
        return run_rasters(values)
    features = flags.features_of(values)
    chosen = {
        "config": config_of(values),
        "refinement": flags.refinement_of(values, method=values.method),
        "features": features,
    }
    flags.join_hosts(values)
    output = flags.output_of(values)
    if values.images or values.list:
        listed = ImageList() if values.list is None else read_list(values.list)
        found = find_run_images(
            [*values.images, *listed.paths],
            output=output,
            decoding=decoding_of(values),
            roots=listed.roots,
        )
        problems = (*listed.problems, *found.problems)
        found = dataclasses.replace(found, problems=problems)
    else:
        found = FoundImages((demo_run_image(),))
        title = found.images[0].title
        terminal.err(f"No image was named; taking scikit-image's {title}.")
    bound = bound_note(values, chosen["config"])
    for sentence in (*found.problems, *found.notes, *bound):
        terminal.err(sentence)
    images = with_features(found.images, features)
    shard = shard_of(values)
    # One shard of several writes files that hold no names.
    naming = naming_of(values) if shard is None or shard.count == 1 else None
    report = _segment(values, images, naming, **chosen)
    _tell(values, output, report)
    if naming:
        terminal.out(naming.summary())
    return 1 if report.failures or found.problems else 0


def _tell(values: flags.Flags, output: Path, report: segment.Report) -> None:
    """Says what a run did; its failures were told as they came."""
    done = report.segmented + report.skipped
    counts = f"{report.segmented} segmented, {report.skipped} done before"
    failed = f"{len(report.failures)} failed"
    told = " (see above)" if report.failures else ""
    terminal.out(f"{counts}, {failed}{told}. Results are in {output}.")
    if sentence := _undivided(report.undivided, METHODS.find(values.method).finer):
        terminal.err(sentence)
    is_joined = not values.shard and hosts.index() == 0
    if "html" in values.format and done and is_joined:
        terminal.out(f"Open {(output / 'index.html').absolute()} in a browser.")


def _undivided(titles: Sequence[str], finer: str) -> str:
    """A warning of images in which nothing was told apart, if there are any."""
    if not titles:
        return ""
    named = ", ".join(terminal.printable(x, one_line=True) for x in titles[:_NAMED])
    more = f" and {len(titles) - _NAMED} more" if len(titles) > _NAMED else ""
    trees = "1 tree has" if len(titles) == 1 else f"{len(titles)} trees have"
    advice = f" Trees become finer by {finer}" if finer else ""
    return f"{trees} one region only, the whole image: {named}{more}.{advice}"


def _segment(
    values: flags.Flags,
    images: Sequence[RunImage],
    naming: Naming | None,
    **chosen: Any,
) -> segment.Report:
    segmenter = flags.segmenter_of(
        values, model=values.model, method=values.method, **chosen
    )
    segment.require_features(segmenter, values.format)
    settings = segment.settings_of(segmenter, images)
    output, shard = flags.output_of(values), shard_of(values)
    which: dict[str, Any] = {"formats": values.format}
    shown: dict[str, Any] = {"options": options_of(values), "complete": naming}
    if values.join:
        with (
            claim_joined(output, settings, **which) as claimed,
            _progress(values, len(images), ()) as callbacks,
        ):
            del callbacks["on_pass"]
            return segment.join_results(images, claimed, **shown, **which, **callbacks)
    which["shard"] = shard
    claimed = claim_images(
        output, settings, images, overwrite=values.overwrite, **which
    )
    share = (shard or hosts.share()).of(len(images))
    with claimed, _progress(values, len(share), segmenter.method.passes) as callbacks:
        return segment.segment_images(
            segmenter,
            images,
            claimed,
            batch_size=batch_size_of(values),
            **shown,
            **which,
            **callbacks,
        )


@contextlib.contextmanager
def _progress(
    values: flags.Flags, count: int, passes: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """A bar over the passes and then the results, with the callbacks that move it."""
    total = (len(passes) + 1) * count
    kinds = progress.kinds_of(model=values.model, method=values.method)
    with progress.Bar(total, kinds=kinds, at_once=batch_size_of(values)) as bar:

        def on_pass(stage: str, index: int) -> None:
            bar.move(passes.index(stage) * count + index + 1, stage)

        def on_done(image: RunImage, failure: str) -> None:
            if failure:
                bar.err(failure)
            done = max(bar.done, len(passes) * count) + 1
            is_last = done == total
            shown = "writing what covers all images" if is_last else image.title
            bar.move(done, shown[-40:])

        yield {"on_pass": on_pass, "on_done": on_done}


def run() -> None:
    """Entry point of the installed command."""
    startup.run_command(main)


if __name__ == "__main__":
    run()
