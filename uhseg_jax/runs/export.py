"""Finished results into other formats: nothing is computed, no model is loaded."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from uhseg_jax import export
from uhseg_jax.export.selections import SelectedImage
from uhseg_jax.images import ImageError
from uhseg_jax.runs.export_folder import ExportFolder, open_folder
from uhseg_jax.runs.flow import Stages, drained, in_flow
from uhseg_jax.runs.names import Complete
from uhseg_jax.runs.record import RunError, sentence_of, unreadable
from uhseg_jax.runs.results import FoundResult

__all__ = ["Report", "export_results", "open_for"]


@dataclasses.dataclass(frozen=True)
class Report:
    """What was exported.

    Attributes:
      exported: results that have all their files.
      failures: titles of the others, and sentences on why.
      bare: titles of those exported of which some format holds no region.
    """

    exported: int
    failures: tuple[tuple[str, str], ...]
    bare: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Item:
    """A result on its way.

    Attributes:
      found: where it is.
      rendered: what formats made of it.
      failure: a sentence on why they did not.
      is_bare: whether some format that could hold regions holds none of it.
    """

    found: FoundResult
    rendered: export.Rendered | None = None
    failure: str = ""
    is_bare: bool = False

    @property
    def size(self) -> int:
        return self.found.size


class _NothingExportedError(Exception):
    """Every result failed."""


def open_for(
    results: Sequence[FoundResult],
    output: Path,
    formats: Sequence[str],
    *,
    overwrite: bool = False,
) -> contextlib.AbstractContextManager[ExportFolder]:
    """Makes a folder that of an export of some results; see `open_folder`.

    Raises:
      RunError: some of the results lie in it, some have categories and others have
        none, or as there.
    """
    _require_one_kind(results)
    folders = {x.path.parent for x in results}
    if os.path.realpath(output) in map(os.path.realpath, folders):
        raise RunError(
            f"{output}: expected a folder for the exports alone, but trees are there; "
            "give another --output folder."
        )
    images = (image.source for one in results for image in one.images)
    return open_folder(
        output,
        [export.EXPORTERS.find(x) for x in formats],
        [x.name for x in results],
        images=[x for x in images if isinstance(x, Path)],
        overwrite=overwrite,
    )


def _require_one_kind(results: Sequence[FoundResult]) -> None:
    """Classes of annotations are categories, or they are not."""
    those = {x.saved.num_categories is None: x.title for x in reversed(results)}
    if len(those) > 1:
        raise RunError(
            "expected results that all have categories, or that all have none, but "
            f"{those[False]} has categories and {those[True]} has none; export them "
            "one after the other."
        )


def export_results(
    results: Sequence[FoundResult],
    folder: ExportFolder,
    formats: Sequence[str],
    options: export.ExportOptions,
    *,
    selected: Mapping[str, SelectedImage] | None = None,
    complete: Complete | None = None,
    said: Mapping[str, Any] | None = None,
    on_done: Callable[[FoundResult, str], None] = lambda found, failure: None,
) -> Report:
    """Writes results in some formats into a folder.

    Threads read and render results while the ones before are written, in order. Killed
    at any moment, it leaves whole files only. If not one result comes out, it leaves
    none, and an export that was to be replaced stays.

    Args:
      results: of `find_results`.
      folder: of `open_for`.
      formats: names in `export.EXPORTERS`.
      options: what they show of the trees.
      selected: by titles, regions that somebody selected in place of those that the
        options say.
      complete: what every result gets before it is written, such as names; it sees the
        image.
      said: what ``export.json`` says of it besides.
      on_done: called after every result with it and, if it failed, a sentence.

    Returns:
      How many results have all their files, and why others do not.

    Raises:
      OSError: a file cannot be written.
    """
    exporters = [export.EXPORTERS.find(x) for x in formats]
    showing = [x.name for x in exporters if x.needs_pixels]
    needs: dict[str, Any] = {
        "pixels": complete is not None or bool(showing),
        "descriptors": any(x.uses_descriptors for x in exporters),
    }
    if len(showing) < len(exporters):  # others go without
        reasons = [*showing, *(["--labels"] if complete is not None else [])]
        needs["instead"] = f"leave out {' and '.join(reasons)}"
    failures: list[tuple[str, str]] = []
    bare: list[str] = []

    def finish(writer: export.Writer, item: _Item) -> _Item:
        found = item.found
        try:
            place = found.place_from(folder.output)
            try:
                result = dataclasses.replace(found.read(**needs), place=place)
            except OSError as error:
                return dataclasses.replace(item, failure=unreadable(found.path, error))
            if selected is not None:
                result = selected[found.title].of(result)
            if complete is not None:
                result = complete(result)
            rendered = writer.render(result)
            shown = [
                x.options_for(options, result) for x in exporters if x.holds_regions
            ]
            is_bare = not all(len(result.regions(x)) for x in shown)
        except (ImageError, ValueError, OSError) as error:
            sentence = sentence_of(error)
            # What is wrong with all of them does not name one.
            is_named = found.title in sentence or str(found.path) in sentence
            named = sentence if is_named else f"{found.title}: {sentence}"
            return dataclasses.replace(item, failure=named)
        return dataclasses.replace(item, rendered=rendered, is_bare=is_bare)

    with (
        contextlib.suppress(_NothingExportedError),
        export.open_formats(formats, folder, options) as writer,
    ):
        stages = Stages(
            read=_Item,
            prepare=lambda item: None,
            segment=lambda items, prepared: drained(items),
            finish=functools.partial(finish, writer),
            size=lambda item: item.size,
        )
        for item in in_flow(stages, results, 1):
            failure = item.failure or _written(writer, item)
            if failure:
                failures.append((item.found.title, failure))
            elif item.is_bare:
                bare.append(item.found.title)
            on_done(item.found, failure)
        if len(failures) == len(results):
            raise _NothingExportedError  # so that no format leaves its file of the run
    report = Report(len(results) - len(failures), tuple(failures), tuple(bare))
    if report.exported:
        _tell(folder, formats, options, report, said or {})
    else:
        folder.abandon()
    return report


def _written(writer: export.Writer, item: _Item) -> str:
    """Writes what was rendered; a sentence if it cannot have its files."""
    assert item.rendered is not None
    try:
        writer.put(item.rendered)
    except (ValueError, RunError, OSError) as error:
        return sentence_of(error)
    return ""


def _tell(
    folder: ExportFolder,
    formats: Sequence[str],
    options: export.ExportOptions,
    report: Report,
    said: Mapping[str, Any],
) -> None:
    """Writes what was exported, how, and into which files."""
    choice = dataclasses.asdict(options.choice)
    folder.finish(
        {
            "formats": [*formats],
            "regions": {**choice, "flat": options.flat},
            "levels": [*options.levels],
            "tolerance": options.tolerance,
            **said,
            "images": report.exported,
            "failures": [{"image": x, "reason": why} for x, why in report.failures],
        }
    )
