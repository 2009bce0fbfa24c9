"""`uhseg-segment` with a method that learns from all the images together."""

import sys
from collections.abc import Sequence

from tqdm import tqdm

from uhseg_jax import runs
from uhseg_jax.cli.segment_flags import Options, UsageError
from uhseg_jax.discovery import Extractor
from uhseg_jax.runs.collection import discover_images, settings_of

__all__ = ["segment_collection"]

_PASSES = ("features", "regions", "files")


def segment_collection(
    options: Options, images: Sequence[runs.RunImage]
) -> runs.Report:
    """Finds the regions and categories that a command line asks for.

    Raises:
      UsageError: a flag says something that the method has no place for.
      ValueError, WeightsError, RunError: as `segment`'s main tells them.
    """
    if options.max_regions is not None:
        raise UsageError(
            f"--max_regions is of trees; {options.method} has "
            "--config.num_categories and --config.min_area."
        )
    extractor = Extractor.create(
        model=options.model,
        config=options.config,
        checkpoint_dir=options.checkpoint_dir,
    )
    since = runs.claim(
        options.output,
        settings_of(extractor, options.refinement, images),
        files=runs.result_files(
            options.output, [x.name for x in images], formats=options.formats
        ),
        overwrite=options.overwrite,
    )
    total = len(_PASSES) * len(images)
    with tqdm(total=total, unit="image", dynamic_ncols=True) as bar:

        def on_image(stage: str, index: int) -> None:
            bar.set_postfix_str(f"{stage}: {images[index].title[-40:]}", False)
            bar.update(_PASSES.index(stage) * len(images) + index + 1 - bar.n)

        return discover_images(
            extractor,
            images,
            options.output,
            refinement=options.refinement,
            since=None if options.overwrite else since,
            formats=options.formats,
            on_image=on_image,
            on_failure=lambda reason: bar.write(reason, file=sys.stderr),
        )
