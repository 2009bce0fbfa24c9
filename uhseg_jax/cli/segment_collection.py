"""`uhseg-segment` with a method that learns from all the images together."""

import sys
from collections.abc import Sequence

from tqdm import tqdm

from uhseg_jax.cli import flags
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.cli.segment_flags import config_of
from uhseg_jax.discovery import Extractor
from uhseg_jax.runs.collection import discover_images, settings_of
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.segment import Report, claim_images

__all__ = ["segment_collection"]

_PASSES = ("features", "regions", "files")


def segment_collection(values: flags.Flags, images: Sequence[RunImage]) -> Report:
    """Finds the regions and categories that a command line asks for.

    Raises:
      UsageError: a flag says something that the method has no place for.
      ValueError, WeightsError, RunError: as `segment`'s main tells them.
    """
    for name in ("distributed", "shard", "join"):
        if values[name].value:
            raise UsageError(
                f"--{name} does not go with {values.method}: its categories are found "
                "by one process."
            )
    extractor = Extractor.create(
        model=values.model,
        config=config_of(values),
        checkpoint_dir=values.checkpoint_dir,
    )
    refinement = flags.refinement_of(values, method=values.method)
    output = flags.output_of(values)
    since = claim_images(
        output,
        settings_of(extractor, refinement, images),
        images,
        formats=values.format,
        overwrite=values.overwrite,
    )
    total = len(_PASSES) * len(images)
    with tqdm(total=total, unit="image", dynamic_ncols=True) as bar:

        def on_image(stage: str, index: int) -> None:
            bar.set_postfix_str(f"{stage}: {images[index].title[-40:]}", False)
            bar.update(_PASSES.index(stage) * len(images) + index + 1 - bar.n)

        return discover_images(
            extractor,
            images,
            output,
            refinement=refinement,
            since=None if values.overwrite else since,
            formats=values.format,
            on_image=on_image,
            on_failure=lambda reason: bar.write(reason, file=sys.stderr),
        )
