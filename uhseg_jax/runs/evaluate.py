"""From a dataset to its scores, one image after the other, resumable."""

import csv
import dataclasses
import itertools
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.files import atomic_write, write_json
from uhseg_jax.methods.method import Collection, Fitted
from uhseg_jax.metrics import states
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.protocols import Scorer, Scoring, average_seeds
from uhseg_jax.protocols.gallery import choose_extremes, draw_beside_truth
from uhseg_jax.runs import hosts
from uhseg_jax.runs.journal import Entry, Journal
from uhseg_jax.runs.read_ahead import read_ahead
from uhseg_jax.runs.record import RECORD, Claim, claim, naming_the_file
from uhseg_jax.runs.settings import Settings, describe

__all__ = ["evaluate", "settings_of"]

_JOURNAL = re.compile(r"images-\d+\.jsonl")
_METRICS = "metrics.json"

# Called with a seed, the name of a pass or "scores", how many images are done, and
# scores so far.
Progress = Callable[[int, str, int, Mapping[str, float]], None]


def settings_of(segmenter: Segmenter, source: Source, scoring: Scoring) -> Settings:
    """What the scores depend on.

    Args:
      segmenter: what makes the trees.
      source: images with ground truth.
      scoring: how the images are prepared and scored.
    """
    fingerprint = source.fingerprint()
    return describe(
        "evaluate",
        segmenter,
        [fingerprint],
        jax=jax.__version__,
        platform=jax.default_backend(),
        dataset=source.name,
        examples=len(source),
        fingerprint=fingerprint,
        taxonomy=source.taxonomy.to_text(),
        scoring=dataclasses.asdict(scoring),
    )


def evaluate(
    segmenter: Segmenter,
    source: Source,
    output: Path,
    *,
    scoring: Scoring | None = None,
    batch_size: int = 1,
    overwrite: bool = False,
    on_image: Progress = lambda seed, stage, done, scores: None,
) -> dict[str, float]:
    """Scores a method on a dataset.

    Stopped at any moment, the same call goes on where it was and ends in the same
    scores. Writes ``metrics.json``, ``per_image.csv`` and, in ``images``, the worst and
    best with their ground truth; where several seeds are averaged, in ``seed-N`` for
    each.

    The processes of `jax.distributed` share the images and merge their scores, which
    are the same to the last digit however many there are. A process writes a journal of
    its own, so they may share ``output`` or not; the table of images is that of the
    journals which the first process sees.

    Args:
      segmenter: what makes the trees.
      source: images with ground truth.
      output: the folder for results.
      scoring: how the images are prepared and scored; None for the default.
      batch_size: images that are handed to the devices before a result is fetched.
      overwrite: forget what was scored before.
      on_image: called after every image of every pass, with this process's scores.

    Returns:
      What ``metrics.json`` holds: the scores of the protocol.

    Raises:
      RunError: the folder holds results of other settings or of no run, a file cannot
        be written, or another process failed.
      DatasetError: an example cannot be read, or the protocol cannot score the dataset.
    """
    scoring = scoring or Scoring()
    claims: list[Claim] = []
    hosts.first_then_others(
        lambda: claims.append(
            claim(
                output,
                settings_of(segmenter, source, scoring),
                results=_results_in(output),
                files=() if (output / RECORD).exists() else _results_in(output),
                forget=_results_in(output),
                overwrite=overwrite,
                shared=hosts.index() > 0,
            )
        ),
        name=str(output),
    )
    with claims[0] as claimed:
        return _evaluate(
            segmenter,
            source,
            claimed,
            scoring,
            batch_size=batch_size,
            on_image=on_image,
        )


def _evaluate(
    segmenter: Segmenter,
    source: Source,
    claimed: Claim,
    scoring: Scoring,
    *,
    batch_size: int,
    on_image: Progress,
) -> dict[str, float]:
    output = claimed.output
    source = scoring.view(source)
    config, num_seeds = segmenter.config, scoring.num_seeds
    metrics: dict[int, dict[str, float]] = {}
    for seed in range(config.seed, config.seed + num_seeds):
        folder = output if num_seeds == 1 else output / f"seed-{seed}"
        if num_seeds > 1 and _all_have(folder / _METRICS):
            text = (folder / _METRICS).read_text(encoding="utf-8")
            metrics[seed] = json.loads(text)
            continue
        metrics[seed] = _Evaluation(
            dataclasses.replace(
                segmenter, config=dataclasses.replace(config, seed=seed)
            ),
            source,
            folder,
            scoring=scoring,
            passes=output,
            on_image=lambda *progress, seed=seed: on_image(seed, *progress),
        ).run(batch_size)
    if num_seeds == 1:
        return metrics[config.seed]
    averages = average_seeds(metrics)
    _report(lambda: _write_scores(output / _METRICS, averages))
    return averages


class _Evaluation:
    """One run over a dataset, with one seed."""

    def __init__(
        self,
        segmenter: Segmenter,
        source: Source,
        folder: Path,
        *,
        scoring: Scoring,
        passes: Path,
        on_image: Callable[[str, int, Mapping[str, float]], None],
    ):
        self._source, self._folder, self._on_image = source, folder, on_image
        self._fitted: Fitted
        self._scorer: Scorer

        def prepare() -> None:
            self._fitted = segmenter.fit(
                Collection(
                    read=lambda index: source[index].image,
                    count=len(source),
                    folder=passes,
                    is_share=hosts.count() > 1,
                    on_image=lambda stage, index: on_image(stage, index + 1, {}),
                )
            )
            categories = self._fitted.num_categories
            self._scorer = scoring.scorer(source, num_categories=categories)

        hosts.all_succeed(prepare, name="preparing to score")

    def run(self, batch_size: int) -> dict[str, float]:
        """Scores the images that are not yet, and writes the report."""
        share = hosts.share().of(len(self._source))
        done = [entry for entry in self._entries() if entry.index in share]
        waiting = sorted(set(share) - {entry.index for entry in done})
        empty = self._scorer.empty()
        before = [states.from_words(entry.words, empty) for entry in done]
        total = states.merge_all([empty, *before])

        def score_share() -> None:
            nonlocal total
            total = self._score(waiting, total, len(share), batch_size)

        hosts.all_succeed(score_share, name="scoring")
        gathered = hosts.gather(states.to_words(total))
        metrics = self._scorer.compute(
            states.merge_all(states.from_words(words, empty) for words in gathered)
        )
        _report(lambda: self._write(metrics))
        if hosts.index() == 0:
            self._draw()
        return metrics

    def _score(
        self, waiting: Sequence[int], total: Any, num_images: int, batch_size: int
    ) -> Any:
        """Adds images to the journal and to the total, which is returned."""
        journal = Journal(self._folder / f"images-{hosts.index()}.jsonl")
        done = num_images - len(waiting)

        def read(index: int) -> tuple[int, Example]:
            return index, self._source[index]

        examples = read_ahead(read, waiting, batch_size)
        while batch := list(itertools.islice(examples, batch_size)):
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
        """The entries of all journals, those of any number of processes, in order."""
        journals = map(Journal, sorted(_journals_in(self._folder)))
        entries = {x.index: x for journal in journals for x in journal.read()}
        return [entries[index] for index in sorted(entries)]

    def _write(self, metrics: Mapping[str, float]) -> None:
        _write_table(self._folder / "per_image.csv", self._entries())
        _write_scores(self._folder / _METRICS, metrics)

    def _draw(self) -> None:
        """Draws the worst and the best, unless that was done when all were scored.

        The scores stand even where it fails.
        """
        folder = self._folder / "images"
        rows = {entry.index: entry.row for entry in self._entries()}
        extremes = choose_extremes(rows, ranked_by=self._scorer.ranked_by)
        paths = {name: folder / f"{name}.png" for name in extremes}
        journals = _journals_in(self._folder)
        scored = max((x.stat().st_mtime_ns for x in journals), default=0)
        if all(_is_current(path, scored) for path in paths.values()):
            return
        try:
            for name, index in extremes.items():
                example = self._source[index]
                (found,) = self._fitted.segment([index], [example.image])
                draw_beside_truth(
                    paths[name],
                    found,
                    example,
                    self._source.taxonomy,
                    levels=self._scorer.levels,
                )
        except (OSError, ValueError) as error:
            print(
                f"{folder}: the scores are complete, but the images could not be drawn "
                f"({error}).",
                file=sys.stderr,
            )


def _is_current(path: Path, since: int) -> bool:
    try:
        return path.stat().st_mtime_ns >= since
    except OSError:
        return False


def _journals_in(folder: Path) -> Iterator[Path]:
    """The journals of any number of processes."""
    return (x for x in folder.glob("images-*.jsonl") if _JOURNAL.fullmatch(x.name))


def _results_in(output: Path) -> Iterator[Path]:
    """Files that evaluations of any settings left in a folder, to go on from."""
    for folder in (output, *output.glob("seed-*")):
        yield from _journals_in(folder)
    yield from output.glob(f"seed-*/{_METRICS}")
    yield from output.glob("passes/seed-*/*.npz")


def _all_have(path: Path) -> bool:
    """Whether every process finds a file.

    Where they have folders of their own, only the first has what it reported; all must
    go the same way, or they would wait for each other at different places.
    """
    return bool(hosts.gather(np.asarray([path.exists()], np.int32)).all())


def _report(write: Callable[[], None]) -> None:
    """Lets the first process write."""
    hosts.all_succeed(write if hosts.index() == 0 else lambda: None, name="report")


@naming_the_file()
def _write_scores(path: Path, scores: Mapping[str, float]) -> None:
    """Writes scores; JSON has no NaN, so a score of nothing is null."""
    write_json(path, {k: None if math.isnan(v) else v for k, v in scores.items()})


@naming_the_file()
def _write_table(path: Path, entries: Sequence[Entry]) -> None:
    names = list(dict.fromkeys(name for entry in entries for name in entry.row))
    with (
        atomic_write(path) as aside,
        open(aside, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, ["name", *names])
        writer.writeheader()
        for entry in entries:
            writer.writerow({"name": entry.name, **entry.row})
