"""Whose folder it is that a run segments into, and what of earlier runs goes there."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from uhseg_jax import export
from uhseg_jax.export.png_files import is_own
from uhseg_jax.methods.fitted import kept_files
from uhseg_jax.runs import hosts
from uhseg_jax.runs.claims import Claim, claim, require
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.record import read_record
from uhseg_jax.runs.settings import Settings, digest
from uhseg_jax.runs.shards import Share

__all__ = ["claim_images", "claim_joined"]


def claim_images(
    output: Path,
    settings: Settings,
    images: Sequence[RunImage],
    *,
    formats: Sequence[str] = export.DEFAULT_FORMATS,
    shard: Share | None = None,
    overwrite: bool = False,
) -> Claim:
    """Makes a folder the output of runs with these settings; see `claims.claim`.

    What was drawn of these images with other settings goes, so that it does not stay
    beside their new trees, whatever the formats. The processes of `jax.distributed`
    call it together; shards need not.
    """
    claims: list[Claim] = []
    hosts.first_then_others(
        lambda: claims.append(
            claim(
                output,
                settings,
                results=_results_in(output),
                files=_files_of_run(output, formats),
                forget=_replaced_by(output, settings, images, overwrite=overwrite),
                overwrite=overwrite,
                shared=shard is not None or hosts.index() > 0,
            )
        ),
        name=str(output),
    )
    return claims[0]


def claim_joined(
    output: Path, settings: Settings, *, formats: Sequence[str] = export.DEFAULT_FORMATS
) -> Claim:
    """The claim of a folder for `join_results`; see `claims.require`."""
    return require(output, settings, files=_files_of_run(output, formats))


def _files_of_run(output: Path, formats: Sequence[str]) -> Iterator[Path]:
    """The files that some formats have for all images together."""
    for exporter in map(export.EXPORTERS.find, formats):
        yield from (output / file for file in exporter.files(()))


def _results_in(output: Path) -> Iterator[Path]:
    """Files that runs of any settings left in a folder, besides recorded ones."""
    yield from kept_files(output)
    yield from filter(export.EXPORTERS["npz"].is_own, output.rglob("*.npz"))
    yield from filter(is_own, output.rglob("*.png"))


def _replaced_by(
    output: Path, settings: Settings, images: Sequence[RunImage], *, overwrite: bool
) -> Iterator[Path]:
    """Files of earlier runs in a folder that new settings make worthless.

    They are what methods kept under settings of which the folder knows, and drawings
    of these very images.
    """
    record = read_record(output, strict=False)
    known = [record.settings] if record else []
    if overwrite:  # what was kept of the same settings is found anew
        known.append(settings)
    digests = {digest(x) for x in known}
    yield from (x for x in kept_files(output) if x.parent.parent.name in digests)
    if record is not None and not record.is_of(settings):
        for image in images:
            yield from export.drawings(output, image.name)
