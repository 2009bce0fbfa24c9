"""From a dataset to its scores, one image after the other, resumable."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from uhseg_jax.datasets.source import Source
from uhseg_jax.features import FeatureSource
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.protocols import Scoring, average_seeds
from uhseg_jax.protocols.sheets import evenly_spaced
from uhseg_jax.runs import hosts, score_files
from uhseg_jax.runs.claims import Claim, claim
from uhseg_jax.runs.evaluation import Evaluation
from uhseg_jax.runs.record import RECORD, RunError
from uhseg_jax.runs.settings import Settings, describe

__all__ = ["evaluate", "seeded", "settings_of"]

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
    others, backbone = {}, segmenter.backbone
    if isinstance(backbone, FeatureSource):
        others["features"] = backbone.fingerprint()
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
        **others,
    )


def seeded(config: Any, num_seeds: int) -> dict[int, Any]:
    """A method's config with each of several consecutive seeds, by seed.

    A config without a seed is that of seed 0.

    Raises:
      RunError: several are wanted of a config without a seed.
    """
    if hasattr(config, "seed"):
        seeds = range(config.seed, config.seed + num_seeds)
        return {seed: dataclasses.replace(config, seed=seed) for seed in seeds}
    if num_seeds > 1:
        raise RunError(
            f"expected a method with a seed, of which {num_seeds} runs can be "
            "averaged, but this one finds the same in every run; leave num_seeds out."
        )
    return {0: config}


def evaluate(
    segmenter: Segmenter,
    source: Source,
    output: Path,
    *,
    scoring: Scoring | None = None,
    batch_size: int = 1,
    overwrite: bool = False,
    drawings: int = 200,
    on_image: Progress = lambda seed, stage, done, scores: None,
    on_note: Callable[[str], None] = lambda note: None,
    on_scores: Callable[[Mapping[str, float]], None] = lambda scores: None,
    on_drawn: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> dict[str, float]:
    """Scores a method on a dataset.

    Stopped at any moment, the same call goes on where it was and ends in the same
    scores. Writes ``metrics.json``, ``per_image.csv``, ``bootstrap.npz`` (the scores of
    resampled images, see `runs.bootstrap`), ``curves.json`` (precision against recall)
    and, in ``images``, the worst and best with their ground truth and, in ``sheets``,
    small drawings of many, for comparisons; where several seeds are averaged, in
    ``seed-N`` for each. Files of these names that no evaluation wrote are replaced if
    ``overwrite`` says so, and never deleted otherwise. Copies of its files under other
    names are neither read nor deleted.

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
      drawings: how many images have a small drawing, at the most; evenly spaced.
      on_image: called after every image of every pass, with this process's scores.
      on_note: called with a sentence on what was found in the folder and passed over.
      on_scores: called with what ``metrics.json`` holds when all scores are written,
        before the images that are missing are drawn.
      on_drawn: called with how many of how many are drawn, at first none, and with the
        name of the image.

    Returns:
      What ``metrics.json`` holds: the scores of the protocol.

    Raises:
      RunError: the folder holds results of other settings or of no run, another
        evaluation works there, a file cannot be written, or another process failed. If
        the worst and best images cannot be drawn, all scores have been written.
      DatasetError: an example cannot be read, or the protocol cannot score the dataset.
    """
    scoring = scoring or Scoring()
    settings = settings_of(segmenter, source, scoring)
    source = scoring.view(source)
    num_seeds = scoring.num_seeds
    configs = seeded(segmenter.config, num_seeds)
    folders = {
        seed: output if num_seeds == 1 else output / f"seed-{seed}" for seed in configs
    }
    with contextlib.ExitStack() as stack:
        claimed = _claim(
            stack,
            output,
            settings,
            [*folders.values()],
            sheets=evenly_spaced(len(source), drawings),
            overwrite=overwrite,
        )
        evaluations = {
            seed: Evaluation(
                dataclasses.replace(segmenter, config=configs[seed]),
                source,
                folder,
                claimed,
                seed=seed,
                scoring=scoring,
                drawings=drawings,
                on_image=lambda *progress, seed=seed: on_image(seed, *progress),
                on_note=on_note,
            )
            for seed, folder in folders.items()
        }
        metrics = {seed: one.run(batch_size) for seed, one in evaluations.items()}
        scores = metrics[min(metrics)]
        if num_seeds > 1:
            scores = average_seeds(metrics)
            path = output / score_files.METRICS
            hosts.first_alone(
                lambda: score_files.write_scores(claimed, path, scores), name="report"
            )
        on_scores(scores)
        missing = [(one, x) for one in evaluations.values() for x in one.missing()]
        for done, (one, x) in enumerate(missing):
            on_drawn(done, len(missing), x.entry.name)
            one.draw(x)
        if missing:
            on_drawn(len(missing), len(missing), "")
    undrawn = [one.undrawn for one in evaluations.values() if one.undrawn]
    if undrawn:
        raise RunError("\n".join(undrawn))
    return scores


def _claim(
    stack: contextlib.ExitStack,
    output: Path,
    settings: Settings,
    folders: Sequence[Path],
    *,
    sheets: Sequence[int],
    overwrite: bool,
) -> Claim:
    """Claims the output for all processes, until the stack is closed."""
    record = output / RECORD
    claims: list[Claim] = []

    def files() -> Iterator[Path]:
        yield from score_files.files_of(
            output, folders, processes=hosts.count(), sheets=sheets
        )
        if not record.exists():
            yield from score_files.read_by(output, folders)

    def forget() -> Iterator[Path]:
        yield from score_files.replaced_by(output, folders)
        if overwrite:
            yield from score_files.journals_of(folders, processes=hosts.count())

    def claim_output() -> None:
        claimed = claim(
            output,
            settings,
            results=score_files.results_in(output),
            files=files(),
            # A mark says that an evaluation wrote it; the record, with what settings.
            is_own=lambda path: record.exists() and score_files.is_own(path),
            forget=forget(),
            overwrite=overwrite,
            shared=hosts.index() > 0,
        )
        claims.append(stack.enter_context(claimed))

    hosts.first_then_others(claim_output, name=str(output))
    return claims[0]
