"""A toy format: the areas of the regions of every image, as text."""

from pathlib import Path

from uhseg_jax.export.exporter import ExportOptions, Result, for_each_image
from uhseg_jax.files import atomic_write


def _write(
    path: Path, result: Result, options: ExportOptions, since: int | None
) -> None:
    del options, since
    with atomic_write(path) as aside:
        aside.write_text("\n".join(map(str, result.tree.areas())) + "\n")


AREAS = for_each_image("areas", "areas of the regions, a toy", ".txt", _write)
