"""`uhseg-segment`: photographs in, trees of nested regions out.

Usage: uhseg-segment [IMAGE, FOLDER or PATTERN]... [--output=DIR] [flags]

Writes for every image NAME.npz (the tree) and NAME.png (the image beside several
levels of its tree), and for all together coco.json and index.html, which opens in a
browser without a server. The same command again goes on where a run was stopped.
With --method=multilevel_clustering the images are one collection: their objects are
found and sorted into categories, which index.html shows.
"""

import itertools
import sys
from collections.abc import Sequence

from tqdm import tqdm

from uhseg_jax import backbones, export, runs
from uhseg_jax.cli.segment_flags import Options, UsageError, help_text, parse
from uhseg_jax.cli.startup import keep_compilations, keep_lapack_serial, keep_quiet
from uhseg_jax.pipeline import Segmenter


def main(argv: Sequence[str]) -> int:
    """Segments the images that a command line names.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if an image or the whole run failed, 2 for a command line that
      makes no sense, 130 if interrupted.
    """
    try:
        options = parse(argv)
        if options is None:
            print(f"{__doc__}\nFlags:\n{help_text()}")
            return 0
        if _has_empty_output(argv):
            raise UsageError(
                "--output expects a folder for the results, but got ''; a dot stands "
                "for the current folder."
            )
        return _conclude(_segment(options), options)
    except KeyboardInterrupt:
        message, status = "Interrupted; the same command goes on from here.", 130
    except UsageError as error:
        message, status = str(error), 2
    except (ValueError, backbones.WeightsError, runs.RunError) as error:
        message, status = str(error), 1
    print(message, file=sys.stderr)
    return status


def _has_empty_output(argv: Sequence[str]) -> bool:
    """Whether the folder given is the empty text, which a path takes for this one."""
    flags = list(itertools.takewhile(lambda text: text != "--", argv))
    pairs = itertools.pairwise([*flags, None])
    return any(
        text in ("--output=", "-output=")
        or (text in ("--output", "-output") and following == "")
        for text, following in pairs
    )


def _segment(options: Options) -> runs.Report:
    if options.images:
        photographs = runs.find_run_images(options.images, output=options.output)
    else:
        photographs = [runs.demo_run_image()]
        title = photographs[0].title
        print(f"No image was named; taking scikit-image's {title}.", file=sys.stderr)
    segmenter = Segmenter.create(
        method=options.method,
        model=options.model,
        config=options.config,
        refine=options.refinement,
        checkpoint_dir=options.checkpoint_dir,
    )
    since = runs.claim(
        options.output,
        runs.Settings.of(segmenter, max_regions=options.max_regions),
        files=[
            options.output / x
            for x in export.result_files(options.formats, [x.name for x in photographs])
        ],
        overwrite=options.overwrite,
    )
    with tqdm(total=len(photographs), unit="image", dynamic_ncols=True) as bar:

        def on_done(image: runs.RunImage, failure: str) -> None:
            if failure:
                bar.write(failure, file=sys.stderr)
            bar.set_postfix_str(image.title[-40:], refresh=False)
            bar.update()

        return runs.segment_images(
            segmenter,
            photographs,
            options.output,
            since=None if options.overwrite else since,
            formats=options.formats,
            levels=options.levels,
            max_regions=options.max_regions,
            batch_size=options.batch_size,
            on_done=on_done,
        )


def _conclude(report: runs.Report, options: Options) -> int:
    """Says what was done and where it is; returns the exit status."""
    done = report.segmented + report.skipped
    counts = f"{report.segmented} segmented, {report.skipped} done before"
    print(f"{counts}, {len(report.failures)} failed. Results are in {options.output}.")
    if "html" in options.formats and done:
        print(f"Open {(options.output / 'index.html').absolute()} in a browser.")
    if report.failures:
        print("These images have no result:", file=sys.stderr)
        for failure in report.failures:
            print(f"  {failure.reason}", file=sys.stderr)
    return 1 if report.failures else 0


def run() -> None:
    """Entry point of the installed command."""
    keep_quiet()
    keep_compilations()
    keep_lapack_serial()
    sys.exit(main(sys.argv))


if __name__ == "__main__":
    run()
