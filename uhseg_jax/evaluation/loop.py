"""From a dataset to its scores, one image after the other, resumable."""

import concurrent.futures
import csv
import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.evaluation import hosts
from uhseg_jax.evaluation.journal import Entry, Journal
from uhseg_jax.evaluation.score_files import (
    claim,
    describe,
    write_scores,
)
from uhseg_jax.files import atomic_write
from uhseg_jax.metrics import states
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.protocols.gallery import choose_extremes, draw_beside_truth
from uhseg_jax.protocols.protocol import Scorer
from uhseg_jax.protocols.scoring import Scoring

__all__ = ["evaluate", "settings_of"]


def settings_of(
    segmenter: Segmenter,
    source: Source,
    *,
    version: str,
    scoring: Scoring | None = None,
) -> dict[str, Any]:
    """What the scores depend on, JSON-ready.

    Args:
      segmenter: the backbone and method.
      source: images with ground truth.
      version: of this package.
      scoring: how the images are prepared and scored; None for the default.
    """
    return describe(
        source,
        segmenter.backbone,
        version=version,
        method=segmenter.method.name,
        config=dataclasses.asdict(segmenter.config),
        refinement=segmenter.refinement.to_dict(),
        scoring=dataclasses.asdict(scoring or Scoring()),
    )


def evaluate(
    segmenter: Segmenter,
    source: Source,
    output: Path,
    *,
    settings: dict[str, Any],
    overwrite: bool = False,
    on_image: Callable[[str, dict[str, float]], None] = lambda name, scores: None,
) -> dict[str, float]:
    """Scores a method on a dataset, on the patch grid and at full resolution.

    How is in the settings (`protocols.Scoring`). By default a dataset whose images
    several people cut into regions is scored as BSDS does, at full resolution
    (`protocols.annotators`), all others by the best region for every class
    (`protocols.classes`). Stopped at any moment, the same call goes on where it was and
    ends in the same scores. Writes ``metrics.json``, ``per_image.csv``,
    ``settings.json`` and, in ``images``, the worst and best with their ground truth.

    Several processes of `jax.distributed` each take every so many-th image and merge
    their scores; the devices of the segmenter's mesh take the images of a batch. The
    scores are the same to the last digit however many there are. A process writes a
    journal of its own, so they may share ``output`` or not; the table of images is that
    of the journals which the first process sees.

    Args:
      segmenter: the backbone and method.
      source: images with ground truth.
      output: the folder for results.
      settings: from `settings_of`; results of other settings are not mixed.
      overwrite: forget what was scored before.
      on_image: called after every image with its name and this process's scores so far.

    Returns:
      What ``metrics.json`` holds: ``grid/...`` and ``full/...``, then images, skipped,
      mean_leaves and, for whole trees, mean_nodes.

    Raises:
      EvaluationError: the folder holds results of other settings.
      DatasetError: an example cannot be read.
    """
    hosts.first_then_others(
        lambda: claim(output, settings, stale=["images-*.jsonl"], overwrite=overwrite),
        name="settings",
    )
    scoring = Scoring(**settings.get("scoring", {}))
    source = scoring.view(source)
    scorer = scoring.scorer(source)
    empty = scorer.empty()
    share = range(hosts.index(), len(source), hosts.count())
    done = {e.index: e for e in _entries(output) if e.index in share}
    total = states.merge_all(
        [empty, *(states.from_words(entry.words, empty) for entry in done.values())]
    )
    journal = Journal(output / f"images-{hosts.index()}.jsonl")
    waiting = [index for index in share if index not in done]
    batch_size = 1 if segmenter.mesh is None else segmenter.mesh.size
    examples = _read_ahead(source, waiting)
    while batch := list(itertools.islice(examples, batch_size)):
        pixels = [example.image for _, example in batch]
        found = segmenter.segment([index for index, _ in batch], pixels)
        for (index, example), one in zip(batch, found, strict=True):
            scores, row = scorer.score(one, example)
            words = states.to_words(scores)
            journal.append(Entry(index, example.name, row, words))
            total = states.merge(total, scores)
            on_image(example.name, scorer.compute(total))
    gathered = hosts.gather(states.to_words(total))
    metrics = scorer.compute(
        states.merge_all(states.from_words(words, empty) for words in gathered)
    )
    hosts.first_then_others(lambda: _report(output, metrics), name="report")
    images = output / "images"
    if hosts.index() == 0 and (waiting or not images.is_dir()):
        _draw(segmenter, source, _entries(output), images, scorer)
    return metrics


def _draw(
    segmenter: Segmenter,
    source: Source,
    entries: Sequence[Entry],
    folder: Path,
    scorer: Scorer,
) -> None:
    """Draws the extremes; the scores stand even where that fails."""
    try:
        alone = dataclasses.replace(segmenter, mesh=None)
        rows = {entry.index: entry.row for entry in entries}
        extremes = choose_extremes(rows, ranked_by=scorer.ranked_by)
        for name, index in extremes.items():
            example = source[index]
            draw_beside_truth(
                folder / f"{name}.png",
                next(iter(alone.segment([index], [example.image]))),
                example,
                source.taxonomy,
                levels=scorer.levels,
            )
    except (OSError, ValueError) as error:
        print(
            f"{folder}: the scores are complete, but the images could not be drawn "
            f"({error}).",
            file=sys.stderr,
        )


def _entries(output: Path) -> list[Entry]:
    """The entries of all journals, those of any number of processes."""
    return [
        entry
        for path in sorted(output.glob("images-*.jsonl"))
        for entry in Journal(path).read()
    ]


def _report(output: Path, metrics: dict[str, float]) -> None:
    if hosts.index():
        return
    write_scores(output / "metrics.json", metrics)
    entries = {entry.index: entry for entry in _entries(output)}
    _write_table(output / "per_image.csv", [entries[i] for i in sorted(entries)])


def _read_ahead(
    source: Source, indices: Sequence[int]
) -> Iterator[tuple[int, Example]]:
    """Examples in order; the next one is read while this one is worked on."""
    with concurrent.futures.ThreadPoolExecutor(1, "uhseg-read") as pool:
        following = pool.submit(source.__getitem__, indices[0]) if indices else None
        for position, index in enumerate(indices):
            assert following is not None
            example = following.result()
            if position + 1 < len(indices):
                following = pool.submit(source.__getitem__, indices[position + 1])
            yield index, example


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
