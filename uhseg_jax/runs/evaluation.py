"""One seed's run over a dataset: from images to a journal, tables and drawings."""

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.export.png_files import is_whole
from uhseg_jax.methods.method import Collection, Fitted
from uhseg_jax.metrics import states
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.protocols import Scorer, Scoring
from uhseg_jax.protocols.gallery import (
    choose_extremes,
    draw_beside_truth,
    is_drawing,
    note_on,
)
from uhseg_jax.runs import hosts, score_files
from uhseg_jax.runs.claims import Claim
from uhseg_jax.runs.journal import Entry, Journal, read_journals
from uhseg_jax.runs.read_ahead import read_ahead
from uhseg_jax.runs.record import naming_the_file

__all__ = ["Evaluation"]


class Evaluation:
    """One run over a dataset, with one seed.

    Args:
      segmenter: what makes the trees, with the seed in its config if it has one.
      source: the images as they are scored.
      folder: for the results of this seed.
      claimed: the folder for results of all.
      seed: that of the run; 0 where the method has none.
      scoring: how segmentations are scored.
      on_image: called after every image with a stage, how many are done, and scores.
      on_note: called with a sentence on what was passed over.

    Attributes:
      undrawn: a sentence if the worst and best could not be drawn, else empty.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        source: Source,
        folder: Path,
        claimed: Claim,
        *,
        seed: int,
        scoring: Scoring,
        on_image: Callable[[str, int, Mapping[str, float]], None],
        on_note: Callable[[str], None],
    ):
        self._segmenter, self._source, self._scoring = segmenter, source, scoring
        self._folder, self._claim = folder, claimed
        self._on_image, self._on_note = on_image, on_note
        settings = f"{claimed.settings_sha256} seed {seed}"
        self._settings = hashlib.sha256(settings.encode()).hexdigest()
        self.undrawn = ""
        self._fitted: Fitted
        self._scorer: Scorer

    def run(self, batch_size: int) -> dict[str, float]:
        """Scores the images that are not yet, and writes the report."""
        name = score_files.journal_of(hosts.index())
        journal = Journal(self._folder / name, self._settings)
        with contextlib.ExitStack() as stack:

            def prepare() -> None:
                with naming_the_file():
                    stack.enter_context(journal)
                self._prepare()

            hosts.all_succeed(prepare, name="preparing to score")
            total = self._score_share(journal, batch_size)
            empty = self._scorer.empty()
            gathered = hosts.gather(states.to_words(total))
            metrics = self._scorer.compute(
                states.merge_all(states.from_words(words, empty) for words in gathered)
            )
            hosts.first_alone(lambda: self._write(metrics), name="report")
            if hosts.index() == 0:
                self._draw()
        return metrics

    def _prepare(self) -> None:
        """Lets the method learn of the images, and the protocol of the dataset."""
        self._fitted = self._segmenter.fit(
            Collection(
                read=lambda index: self._source[index].image,
                count=len(self._source),
                folder=self._claim.output,
                settings=self._claim.settings_sha256,
                is_share=hosts.count() > 1,
                on_image=lambda stage, index: self._on_image(stage, index + 1, {}),
            )
        )
        categories = self._fitted.num_categories
        self._scorer = self._scoring.scorer(self._source, num_categories=categories)

    def _score_share(self, journal: Journal, batch_size: int) -> Any:
        """The state of this process's images, after those are scored that are not."""
        share = hosts.share().of(len(self._source))
        entries, notes = read_journals(self._folder, self._settings)
        for note in notes:
            self._on_note(note)
        done = [entry for entry in entries if entry.index in share]
        waiting = sorted(set(share) - {entry.index for entry in done})
        empty = self._scorer.empty()
        before = (states.from_words(entry.words, empty) for entry in done)
        total = states.merge_all([empty, *before])

        def score() -> None:
            nonlocal total
            total = self._score(waiting, journal, total, batch_size)

        hosts.all_succeed(score, name="scoring")
        return total

    def _score(
        self, waiting: Sequence[int], journal: Journal, total: Any, batch_size: int
    ) -> Any:
        """Adds images to the journal and to the total, which is returned."""
        done = len(hosts.share().of(len(self._source))) - len(waiting)

        def read(index: int) -> tuple[int, Example]:
            return index, self._source[index]

        with contextlib.closing(
            read_ahead(read, waiting, batch_size, size=_size)
        ) as batches:
            for batch in batches:
                indices = [index for index, _ in batch]
                found = self._fitted.segment(indices, [x.image for _, x in batch])
                for (index, example), one in zip(batch, found, strict=True):
                    scores, row = self._scorer.score(one, example)
                    words = states.to_words(scores)
                    with naming_the_file():
                        journal.append(Entry(index, example.name, row, words))
                    total = states.merge(total, scores)
                    done += 1
                    self._on_image("scores", done, self._scorer.compute(total))
        return total

    def _entries(self) -> list[Entry]:
        return read_journals(self._folder, self._settings)[0]

    def _write(self, metrics: Mapping[str, float]) -> None:
        table, scores = score_files.TABLE, score_files.METRICS
        score_files.write_table(self._claim, self._folder / table, self._entries())
        score_files.write_scores(self._claim, self._folder / scores, metrics)

    def _draw(self) -> None:
        """Draws the worst and the best, except for those that are drawn.

        The scores stand even where it fails.
        """
        folder = self._folder / score_files.GALLERY
        entries = {entry.index: entry for entry in self._entries()}
        rows = {index: entry.row for index, entry in entries.items()}
        extremes = choose_extremes(rows, ranked_by=self._scorer.ranked_by)
        try:
            for name, index in extremes.items():
                note = note_on(self._settings, entries[index].name, rows[index])
                self._draw_one(folder / f"{name}.png", index, note)
        except (OSError, ValueError) as error:
            self.undrawn = (
                f"{folder}: the scores are complete and in {self._folder}, but the "
                f"images could not be drawn ({error}); mend that, and the same command "
                "draws them."
            )

    def _draw_one(self, path: Path, index: int, note: str) -> None:
        if is_whole(path, note):
            return
        if obstacle := self._claim.obstacle(path, is_drawing):
            raise FileExistsError(obstacle)
        example = self._source[index]
        (found,) = self._fitted.segment([index], [example.image])
        draw_beside_truth(
            path,
            found,
            example,
            self._source.taxonomy,
            levels=self._scorer.levels,
            note=note,
        )


def _size(read: tuple[int, Example]) -> int:
    """Bytes of an example that was read, nearly."""
    return read[1].image.nbytes + read[1].labels.nbytes
