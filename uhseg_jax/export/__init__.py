"""What people take away, by its format: npz, PNG, label maps, COCO and HTML."""

import contextlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from uhseg_jax.export.coco import COCO, POLYGONS
from uhseg_jax.export.exporter import (
    Destination,
    Exporter,
    ExportOptions,
    Folder,
    Provenance,
    Result,
    Writer,
)
from uhseg_jax.export.labels import COLORS, LABELS
from uhseg_jax.export.npz import NPZ, read_result
from uhseg_jax.export.overlay import PNG
from uhseg_jax.export.viewer import HTML
from uhseg_jax.registry import Registry

__all__ = [
    "DEFAULT_FORMATS",
    "EXPORTERS",
    "Destination",
    "ExportOptions",
    "Exporter",
    "Folder",
    "Provenance",
    "Result",
    "Writer",
    "formats_help",
    "image_files",
    "open_formats",
    "read_result",
    "result_files",
]

EXPORTERS = Registry("format", [PNG, LABELS, COLORS, NPZ, COCO, POLYGONS, HTML])
"""In the order in which a result is written: its npz after its other files, since a
later run that finds the npz counts the image as done. What else is missing or damaged
is made from it."""

DEFAULT_FORMATS = ("npz", "png", "coco", "html")


@contextlib.contextmanager
def open_formats(
    formats: Iterable[str], destination: Destination, options: ExportOptions
) -> Iterator[Writer]:
    """Opens several formats as one writer, which adds a result to each of them.

    Args:
      formats: names in `EXPORTERS`.
      destination: where their files come to be, such as `Folder`.
      options: what the formats of the run have in common.

    Raises:
      ValueError: there is no format of a name.
    """
    wanted = {EXPORTERS.find(name).name for name in formats}
    with contextlib.ExitStack() as stack:
        yield _Writers(
            [
                stack.enter_context(exporter.open(destination, options))
                for name, exporter in EXPORTERS.items()
                if name in wanted
            ]
        )


class _Writers:
    def __init__(self, writers: list[Writer]):
        self._writers = writers

    def add(self, result: Result, *, keep: bool = False) -> None:
        for writer in self._writers:
            writer.add(result, keep=keep)


def result_files(formats: Iterable[str], names: Collection[str]) -> Iterator[Path]:
    """All files, below the output folder, of a run over images of these names."""
    for name in formats:
        yield from EXPORTERS.find(name).files(names)


def image_files(name: str) -> Iterator[Path]:
    """The files of a result that are images themselves, below the output folder."""
    for exporter in (PNG, LABELS, COLORS):
        yield from exporter.files([name])


def formats_help() -> str:
    """The formats in two sentences for help texts."""
    own, common = (
        ", ".join(
            f"{name} ({exporter.summary})"
            for name, exporter in EXPORTERS.items()
            if exporter.per_image == per_image
        )
        for per_image in (True, False)
    )
    return f"For every image: {own}. For all together: {common}."
