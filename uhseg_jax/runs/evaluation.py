"""One seed's run over a dataset: from images to a journal, tables and drawings."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.images import ImageError
from uhseg_jax.memory import ImageMemoryError
from uhseg_jax.methods.fitted import Collection, Fitted
from uhseg_jax.metrics import states
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.processor import host_threads
from uhseg_jax.protocols import Scorer, Scoring
from uhseg_jax.protocols.protocol import SlowScorer
from uhseg_jax.runs import bootstrap, hosts, score_files
from uhseg_jax.runs.claims import Claim
from uhseg_jax.runs.drawings import Drawings, Missing
from uhseg_jax.runs.flow import Stages, drained, in_flow
from uhseg_jax.runs.journal import Entry, Journal, read_journals
from uhseg_jax.runs.record import RunError, naming_the_file
from uhseg_jax.runs.running_scores import RunningScores
from uhseg_jax.workers import WorkerError, Workers

__all__ = ["Evaluation"]


class Evaluation:
    """One run over a dataset, with one seed.

    Args:
      segmenter: what makes the trees, with the seed in its config if it has one.
      source: the images as they are scored.
      folder: for the results of this seed.
      claimed: the folder for results of all.
      seed: the seed of this run.
      scoring: how segmentations are scored.
      drawings: how many small sheets are drawn at the most.
      on_image: called after every image with a stage, how many are done, and scores.
      on_note: called with a sentence on what was passed over.
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
        drawings: int,
        on_image: Callable[[str, int, Mapping[str, float]], None],
        on_note: Callable[[str], None],
    ):
        self._segmenter, self._source, self._scoring = segmenter, source, scoring
        self._folder, self._claim = folder, claimed
        self._on_image, self._on_note = on_image, on_note
        text = f"{claimed.settings_sha256} seed {seed}"
        self._settings = hashlib.sha256(text.encode()).hexdigest()
        self._num_sheets = drawings
        self._drawings: Drawings
        self._fitted: Fitted
        self._scorer: Scorer

    def run(self, batch_size: int) -> dict[str, float]:
        """Scores the images that are not yet, and writes the report.

        What is then to be drawn is `missing`, and `draw` draws it.
        """
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
            total = states.merge_all(states.from_words(x, empty) for x in gathered)
            metrics = self._scorer.compute(total)
            hosts.first_alone(lambda: self._write(metrics, total), name="report")
        return metrics

    def _prepare(self) -> None:
        """Lets the method learn of the images, and the protocol of the dataset."""
        self._fitted = self._scoring.fit(
            self._segmenter,
            self._source,
            Collection(
                read=lambda index: self._source[index].image,
                count=len(self._source),
                folder=self._claim.output,
                settings=self._claim.settings_sha256,
                is_share=hosts.count() > 1,
                on_image=lambda stage, index: self._on_image(stage, index + 1, {}),
            ),
        )
        categories = self._fitted.num_categories
        self._scorer = self._scoring.scorer(self._source, num_categories=categories)
        self._drawings = Drawings(
            self._source,
            self._folder,
            self._claim,
            settings=self._settings,
            scorer=self._scorer,
            count=self._num_sheets,
        )

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
        share = len(hosts.share().of(len(self._source)))
        done = share - len(waiting)
        stages: Stages[int, _Item, Any] = Stages(
            read=lambda index: _Item(index, self._source[index]),
            prepare=lambda item: self._fitted.prepare(
                item.example.image, name=item.example.name
            ),
            segment=self._segment_items,
            finish=self._score_item,
            size=lambda item: item.size,
        )
        running = RunningScores(self._scorer.compute, total)
        with Workers(host_threads(), self._on_note) as workers:
            if isinstance(self._scorer, SlowScorer):
                self._scorer.call = workers.call
            with contextlib.closing(in_flow(stages, waiting, batch_size)) as scored:
                for item, scores, row in scored:
                    words = states.to_words(scores)
                    with naming_the_file():
                        journal.append(Entry(item.index, item.example.name, row, words))
                    done += 1
                    shown = running.with_image(scores, is_last=done == share)
                    self._on_image("scores", done, shown)
        return running.total()

    def _segment_items(
        self, items: Sequence["_Item"], prepared: Sequence[Any]
    ) -> Iterator["_Item"]:
        indices = [x.index for x in items]
        begun = self._fitted.segment(
            indices, [x.example.image for x in items], prepared
        )
        return (_found(item, begun) for item in drained(items))

    def _score_item(self, item: "_Item") -> tuple["_Item", Any, dict[str, float]]:
        assert item.found is not None
        self._drawings.sheet(item.index, item.example, item.found)
        name = item.example.name
        try:
            return item, *self._scorer.score(item.found, item.example)
        except WorkerError as error:
            raise RunError(f"{name}: it could not be scored: {error}") from error
        except MemoryError as error:
            raise MemoryError(f"{name}: {error}") from error

    def _entries(self) -> list[Entry]:
        return read_journals(self._folder, self._settings)[0]

    def _write(self, metrics: Mapping[str, float], total: Any) -> None:
        entries, folder = self._entries(), self._folder
        rows = [(entry.name, entry.row) for entry in entries]
        score_files.write_table(self._claim, folder / score_files.TABLE, rows)
        self._resample(metrics, entries)
        score_files.write_curves(
            self._claim,
            folder / score_files.CURVES,
            self._scorer.curves(total),
            ranked_by=self._scorer.ranked_by,
        )
        score_files.write_scores(self._claim, folder / score_files.METRICS, metrics)

    def _resample(self, metrics: Mapping[str, float], entries: list[Entry]) -> None:
        """Writes the scores of resampled images, unless they are there."""
        path, empty = self._folder / score_files.BOOTSTRAP, self._scorer.empty()
        words = [entry.words for entry in entries]
        digest = bootstrap.digest_of(self._settings, metrics, words)
        name = path.relative_to(self._claim.output).as_posix()
        if self._claim.owns(name) and bootstrap.is_of(path, digest):
            return
        found = bootstrap.resample(
            self._scorer.compute,
            [states.from_words(x, empty) for x in words],
            digest=digest,
            on_slow=lambda seconds: self._on_note(
                f"Resampling the {len(words)} images for standard errors; this takes "
                f"about {seconds:.0f} seconds."
            ),
        )
        score_files.write_resampled(self._claim, path, found)

    def missing(self) -> list[Missing]:
        """The drawings that are to be made by this process: sheets of its images.

        The first process draws the worst and best of all as well.
        """
        entries = self._entries()
        share = hosts.share().of(len(self._source))
        ours = [entry for entry in entries if entry.index in share]
        extremes = hosts.index() == 0 and self._scoring.draws_extremes
        return self._drawings.missing(entries, ours, extremes=extremes)

    def draw(self, missing: Missing) -> None:
        """Makes a drawing; a failure goes to `undrawn`."""
        self._drawings.draw(missing, self._fitted)

    @property
    def undrawn(self) -> str:
        """A sentence if images could not be drawn, else empty."""
        return self._drawings.failure


@dataclasses.dataclass(frozen=True)
class _Item:
    """An example on its way.

    Attributes:
      index: of the example.
      example: the image with its ground truth.
      found: what the method found.
    """

    index: int
    example: Example
    found: Segmentation | None = None

    @property
    def size(self) -> int:
        """Bytes of its arrays, nearly."""
        return self.example.nbytes


def _found(item: _Item, begun: Iterator[Segmentation]) -> _Item:
    """The item with what was found in it, which is the next."""
    try:
        return dataclasses.replace(item, found=next(begun))
    except (ImageError, ImageMemoryError) as error:
        raise type(error)(f"{item.example.name}: {error}") from error
