"""The drawings of an evaluation: small sheets of many images, large ones of a few.

Scores stand without them, so none of this stops an evaluation: what goes wrong is said
at the end, and the same command draws what is missing.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.export.png_files import is_whole
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.methods.fitted import Fitted
from uhseg_jax.protocols import Scorer
from uhseg_jax.protocols.gallery import (
    Shown,
    choose_extremes,
    draw_beside_truth,
    is_drawing,
    note_on,
)
from uhseg_jax.protocols.sheets import (
    draw_sheet,
    evenly_spaced,
    is_sheet,
    is_sheet_of,
    mark_of,
    sheet_name,
)
from uhseg_jax.runs import score_files
from uhseg_jax.runs.claims import Claim
from uhseg_jax.runs.journal import Entry

__all__ = ["Drawings", "Missing"]


@dataclasses.dataclass(frozen=True)
class Missing:
    """A drawing that is to be made.

    Attributes:
      entry: the scores of its image.
      path: its file.
      note: the mark of one of the worst or best; empty of sheets.
    """

    entry: Entry
    path: Path
    note: str = ""


class Drawings:
    """Draws the images of one evaluation.

    Args:
      source: the images as they are scored.
      folder: for the results of the evaluation.
      claimed: the folder for results of all.
      settings: digest of all that the scores depend on.
      scorer: says which levels are drawn and which images are the best.
      count: how many sheets there are to be at the most.

    Attributes:
      failure: a sentence if something could not be drawn, else empty.
    """

    def __init__(
        self,
        source: Source,
        folder: Path,
        claimed: Claim,
        *,
        settings: str,
        scorer: Scorer,
        count: int,
    ):
        self._source, self._folder, self._claim = source, folder, claimed
        self._settings, self._scorer = settings, scorer
        self._chosen = frozenset(evenly_spaced(len(source), count))
        self.failure = ""

    def sheet(self, index: int, example: Example, found: Segmentation) -> None:
        """Draws the sheet of an image, if it is to have one; in any thread."""
        if index not in self._chosen:
            return
        path = self._folder / score_files.SHEETS / sheet_name(index)
        try:
            self._require_free(path, is_sheet(path))
            mark = mark_of(self._settings, example.name)
            draw_sheet(path, self._shown(example, found), mark=mark)
        except (OSError, ValueError) as error:
            self._fail(error)

    def missing(
        self, entries: Sequence[Entry], ours: Iterable[Entry], *, extremes: bool
    ) -> list["Missing"]:
        """What is not drawn yet, in order: sheets, then the worst and the best.

        Args:
          entries: of all images that are scored.
          ours: of those whose sheets this process draws.
          extremes: whether it draws the worst and best of all as well.
        """
        found = []
        for entry in ours:
            path = self._folder / score_files.SHEETS / sheet_name(entry.index)
            mark = mark_of(self._settings, entry.name)
            if entry.index in self._chosen and not is_sheet_of(path, mark):
                found.append(Missing(entry, path))
        return found + (self._missing_extremes(entries) if extremes else [])

    def _missing_extremes(self, entries: Sequence[Entry]) -> list["Missing"]:
        by_index = {entry.index: entry for entry in entries}
        rows = {index: entry.row for index, entry in by_index.items()}
        chosen = choose_extremes(rows, ranked_by=self._scorer.ranked_by)
        found = []
        for name, index in chosen.items():
            note = note_on(self._settings, by_index[index].name, rows[index])
            path = self._folder / score_files.GALLERY / f"{name}.png"
            if not is_whole(path, note):
                found.append(Missing(by_index[index], path, note))
        return found

    def draw(self, missing: "Missing", fitted: Fitted) -> None:
        """Draws what is missing, unless something could not be drawn before."""
        if self.failure:
            return
        index = missing.entry.index
        example = self._source[index]
        prepare = functools.partial(fitted.prepare, example.image, name=example.name)
        (found,) = fitted.segment([index], [example.image], [prepare])
        if not missing.note:
            self.sheet(index, example, found)
            return
        ranked_by, path = self._scorer.ranked_by, missing.path
        score = missing.entry.row[ranked_by]
        title = f"{example.name}: {ranked_by} {score:.3f}"
        try:
            self._require_free(path, is_drawing(path))
            shown = self._shown(example, found)
            draw_beside_truth(path, shown, title=title, note=missing.note)
        except (OSError, ValueError) as error:
            self._fail(error)

    def _shown(self, example: Example, found: Segmentation) -> Shown:
        taxonomy, levels = self._source.taxonomy, self._scorer.levels
        return Shown.of(found, example, taxonomy, levels)

    def _require_free(self, path: Path, is_own: bool) -> None:
        if sentence := self._claim.obstacle(path, lambda _: is_own):
            raise FileExistsError(sentence)

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or (
            f"{self._folder}: the scores are complete and there, but the images could "
            f"not be drawn ({error}); mend that, and the same command draws them."
        )
