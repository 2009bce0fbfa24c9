"""From a dataset to its scores, one image after the other, resumable."""

import csv
import dataclasses
import itertools
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from uhseg_jax.datasets.source import Example, Source
from uhseg_jax.evaluation.scoring import Scoring
from uhseg_jax.files import atomic_write, write_json
from uhseg_jax.metrics import states
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs import hosts
from uhseg_jax.runs.batches import SegmentFn, read_ahead
from uhseg_jax.runs.gallery import draw_extremes
from uhseg_jax.runs.journal import Entry, Journal
from uhseg_jax.runs.record import Settings, claim, describe

__all__ = ["describe_scores", "evaluate", "settings_of", "write_scores"]

_JOURNALS = "images-*.jsonl"


def describe_scores(source: Source, *args: Any, **kwargs: Any) -> Settings:
    """What scores on a dataset depend on.

    Args:
      source: images with ground truth.
      args: of `record.describe`, after the kind.
      kwargs: of `record.describe`.
    """
    return describe(
        "evaluate",
        *args,
        **kwargs,
        jax=jax.__version__,
        platform=jax.default_backend(),
        dataset=source.name,
        examples=len(source),
        fingerprint=source.fingerprint(),
        taxonomy=source.taxonomy.to_text(),
    )


def settings_of(
    segmenter: Segmenter, source: Source, scoring: Scoring | None = None
) -> Settings:
    """What the scores of `evaluate` depend on.

    Args:
      segmenter: the backbone and method.
      source: images with ground truth.
      scoring: how the images are prepared and scored; None for the default.
    """
    return describe_scores(
        source,
        segmenter.backbone,
        method=segmenter.method.name,
        config=dataclasses.asdict(segmenter.config),
        refinement=dataclasses.asdict(segmenter.refinement),
        scoring=dataclasses.asdict(scoring or Scoring()),
    )


def evaluate(
    segment: SegmentFn,
    source: Source,
    output: Path,
    *,
    settings: Settings,
    batch_size: int = 1,
    overwrite: bool = False,
    on_image: Callable[[str, dict[str, float]], None] = lambda name, scores: None,
) -> dict[str, float]:
    """Scores trees on a dataset, on the patch grid and at full resolution.

    How is in the settings (`scoring.Scoring`). Stopped at any moment, the same call
    goes on where it was and ends in the same scores. Writes ``metrics.json``,
    ``per_image.csv`` and, in ``images``, the worst and best with their ground truth.

    The processes of `jax.distributed` share the images and merge their scores, which
    are the same to the last digit however many there are. A process writes a journal of
    its own, so they may share ``output`` or not; the table of images is that of the
    journals which the first process sees.

    Args:
      segment: what makes the trees.
      source: images with ground truth.
      output: the folder for results.
      settings: from `settings_of`; results of other settings are not mixed.
      batch_size: images that are handed to the devices before a result is fetched.
      overwrite: forget what was scored before.
      on_image: called after every image with its name and this process's scores so far.

    Returns:
      What ``metrics.json`` holds: ``grid/...`` and ``full/...``, then images, skipped,
      mean_leaves and, for whole trees, mean_nodes.

    Raises:
      RunError: the folder holds results of other settings, or another process failed.
      DatasetError: an example cannot be read.
    """
    hosts.first_then_others(
        lambda: claim(
            output,
            settings,
            results=output.glob(_JOURNALS),
            forget=True,
            overwrite=overwrite,
            shared=hosts.index() > 0,
        ),
        name=str(output),
    )
    scoring = Scoring(**settings["scoring"])
    source = scoring.view(source)
    scorer = scoring.scorer(source)
    empty = scorer.empty()
    share = hosts.share().of(len(source))
    done = {e.index: e for e in _entries(output) if e.index in share}
    total = states.merge_all(
        [empty, *(states.from_words(entry.words, empty) for entry in done.values())]
    )
    journal = Journal(output / f"images-{hosts.index()}.jsonl")
    waiting = [index for index in share if index not in done]

    def read(index: int) -> tuple[int, Example]:
        return index, source[index]

    def score_share() -> None:
        nonlocal total
        examples = read_ahead(read, waiting, batch_size)
        while batch := list(itertools.islice(examples, batch_size)):
            found = segment([example.image for _, example in batch])
            for (index, example), tree in zip(batch, found, strict=True):
                scores, row = scorer.score(tree.grid, tree.full, example)
                words = states.to_words(scores)
                journal.append(Entry(index, example.name, row, words))
                total = states.merge(total, scores)
                on_image(example.name, scorer.compute(total))

    hosts.all_succeed(score_share, name="scoring")
    gathered = hosts.gather(states.to_words(total))
    metrics = scorer.compute(
        states.merge_all(states.from_words(words, empty) for words in gathered)
    )

    def report() -> None:
        if hosts.index() == 0:
            write_scores(output / "metrics.json", metrics)
            _write_table(output / "per_image.csv", _entries(output))

    hosts.all_succeed(report, name="report")
    folder = output / "images"
    if hosts.index() == 0 and (waiting or not folder.is_dir()):
        try:
            draw_extremes(
                segment, source, _entries(output), folder, levels=scoring.levels
            )
        except (OSError, ValueError) as error:
            print(
                f"{folder}: the scores are complete, but the images could not be drawn "
                f"({error}).",
                file=sys.stderr,
            )
    return metrics


def write_scores(path: Path, scores: Mapping[str, float]) -> None:
    """Writes scores; JSON has no NaN, so a score of nothing is null."""
    write_json(path, {k: None if math.isnan(v) else v for k, v in scores.items()})


def _entries(output: Path) -> list[Entry]:
    """The entries of all journals, those of any number of processes, in order."""
    journals = (Journal(path) for path in sorted(output.glob(_JOURNALS)))
    entries = {entry.index: entry for journal in journals for entry in journal.read()}
    return [entries[index] for index in sorted(entries)]


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
