"""What people take away: a registry of formats, and one writer of several."""

import contextlib
import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from uhseg_jax.export.coco import COCO, POLYGONS
from uhseg_jax.export.cvat import CVAT
from uhseg_jax.export.descriptors import DESCRIPTORS, read_descriptors
from uhseg_jax.export.exporter import Destination, Exporter, FileWriter, Folder
from uhseg_jax.export.labelme import LABELME
from uhseg_jax.export.labels import COLORS, DAVIS, LABELS, NODES
from uhseg_jax.export.npz import NPZ, read_result
from uhseg_jax.export.overlay import PNG
from uhseg_jax.export.proposals import PROPOSALS
from uhseg_jax.export.region_files import CUTOUTS, MASKS
from uhseg_jax.export.region_table import CSV
from uhseg_jax.export.result import ExportOptions, Provenance, Result, Selected
from uhseg_jax.export.ucm import UCM
from uhseg_jax.export.viewer import HTML
from uhseg_jax.export.yolo import YOLO
from uhseg_jax.images import IMAGE_SUFFIXES
from uhseg_jax.registry import Registry

__all__ = [
    "DEFAULT_FORMATS",
    "EXPORTERS",
    "Destination",
    "ExportOptions",
    "Exporter",
    "Folder",
    "Provenance",
    "Rendered",
    "Result",
    "Selected",
    "Writer",
    "drawings",
    "formats_help",
    "image_files",
    "open_formats",
    "read_descriptors",
    "read_result",
    "result_files",
]

EXPORTERS = Registry(
    "format",
    [
        *(PNG, LABELS, COLORS, NODES, DAVIS, MASKS, CUTOUTS, LABELME, YOLO, UCM),
        *(DESCRIPTORS, NPZ, COCO, POLYGONS, CVAT, PROPOSALS, CSV, HTML),
    ],
)
"""In the order in which a result is written: its npz after its other files, since a
later run that finds the npz counts the image as done. What else is missing or damaged
is made from it."""

DEFAULT_FORMATS = ("npz", "png", "coco", "html")
"""Those that a run writes where none are named."""


@dataclasses.dataclass(frozen=True)
class Rendered:
    """What formats made of a result.

    Attributes:
      name: of the result.
      contents: by the name of the format, in the order of `EXPORTERS`.
    """

    name: str
    contents: Mapping[str, Any]


@contextlib.contextmanager
def open_formats(
    formats: Iterable[str], destination: Destination, options: ExportOptions
) -> Iterator["Writer"]:
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
        writers = {
            name: stack.enter_context(
                exporter.open(destination, options.resolved(flat=exporter.flat))
            )
            for name, exporter in EXPORTERS.items()
            if name in wanted
        }
        yield Writer(writers, options)


class Writer:
    """Takes the results of a run, in the order of its images."""

    def __init__(self, writers: Mapping[str, FileWriter], options: ExportOptions):
        self._writers = writers
        self._options = options

    def add(self, result: Result, *, keep: bool = False) -> None:
        """Renders a result and writes it.

        Args:
          result: of one image.
          keep: as for `render`.

        Raises:
          ValueError: a format cannot hold the result; the message names the image, and
            nothing of it is written.
          OSError: a file cannot be written.
        """
        self.put(self.render(result, keep=keep))

    def render(self, result: Result, *, keep: bool = False) -> Rendered:
        """What `put` writes of a result; in any thread.

        Args:
          result: of one image.
          keep: whether a file of this image stays that is there, whole, and made of the
            same with the same options.

        Raises:
          ValueError: a format cannot hold the result; the message names the image.
          OSError: a file that is there cannot be read.
        """
        contents = {
            name: EXPORTERS[name].render(
                result, EXPORTERS[name].options_for(self._options, result)
            )
            for name, writer in self._writers.items()
            if not (keep and writer.is_there(result))
        }
        return Rendered(result.name, contents)

    def put(self, rendered: Rendered) -> None:
        """Writes what was rendered of a result, with the options of this writer.

        Raises:
          OSError: a file cannot be written.
        """
        for name, content in rendered.contents.items():
            self._writers[name].put(rendered.name, content)


def result_files(formats: Iterable[str], names: Collection[str]) -> Iterator[Path]:
    """All files, below the output folder, of a run over images of these names."""
    for name in formats:
        yield from EXPORTERS.find(name).files(names)


def image_files(name: str) -> Iterator[Path]:
    """The files of a result that are images themselves, below the output folder."""
    for exporter in filter(lambda x: x.per_image and x.in_runs, EXPORTERS.values()):
        yield from (x for x in exporter.files([name]) if x.suffix in IMAGE_SUFFIXES)


def drawings(output: Path, name: str) -> Iterator[Path]:
    """The files of a result in a folder that a run drew from its tree, not the tree."""
    for exporter in EXPORTERS.values():
        if exporter.per_image and exporter.in_runs and exporter is not NPZ:
            files = (output / x for x in exporter.files([name]))
            yield from filter(exporter.is_own, files)


def formats_help(*, in_runs: bool = True) -> str:
    """The formats in two sentences for help texts.

    Args:
      in_runs: those of runs that segment; False: those of finished results.
    """
    own, common = (
        ", ".join(
            f"{name} ({exporter.summary})"
            for name, exporter in EXPORTERS.items()
            if exporter.per_image == per_image
            and (exporter.in_runs if in_runs else exporter is not NPZ)
        )
        for per_image in (True, False)
    )
    return f"For every image: {own}. For all together: {common}."
