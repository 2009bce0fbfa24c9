"""`uhseg-evaluate`: scores a method on a dataset.

Usage: uhseg-evaluate --config=FILE --data_dir=DIR [--manual_dir=DIR] --output=DIR
       uhseg-evaluate --images=DIR --masks=DIR [--names=FILE] --output=DIR
       uhseg-evaluate --images=DIR --annotations=FILE.json [--names=FILE] --output=DIR
       uhseg-evaluate --compare DIR DIR... --output=DIR

The first form takes a file of configs/, or the name of one (voc2012), prepares its
dataset from the original files in --manual_dir if --data_dir does not hold it yet
(--data_dir alone may hold the original files too), and scores it. The second scores a
folder of images against a folder of index PNGs as they lie there, the third against the
objects that a file in COCO's format lists. Stopped at any moment, the same command goes
on where it was.
--config.NAME=VALUE replaces what the file says, as in --config.model=dinov2_vitb14_reg
and --config.parameters.seed=3. The last sets folders of scores side by side, as
uhseg-compare does (--compare --help).
"""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence

import jax

from uhseg_jax import batches
from uhseg_jax.cli import flags, method_help, progress, startup, terminal
from uhseg_jax.cli.compare import compare
from uhseg_jax.cli.evaluate_flags import parse
from uhseg_jax.cli.evaluate_sources import experiment_of, source_of
from uhseg_jax.runs import hosts
from uhseg_jax.runs.evaluate import evaluate, seeded

__all__ = ["main", "run"]

_COMPARE = re.compile(r"--?compare(?:=(.*))?", re.DOTALL)
_SHOWN = (
    *("grid/nmcovering", "full/nmcovering", "full/covering_ods", "mean_nodes"),
    *("full/hungarian_miou", "full/hungarian_pacc", "mean_leaves"),
    *("full/ar_1000", "full/ap"),
)
_FEW = 2  # of them at a time


def main(argv: Sequence[str]) -> int:
    """Scores what a command line names.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if scoring or drawing failed, 2 for a command line that makes
      no sense, 130 if interrupted.
    """
    return startup.exit_status(lambda: _run(argv))


def _run(argv: Sequence[str]) -> int:
    if any(map(_COMPARE.fullmatch, argv)):
        return compare(_without_compare(argv))
    values = parse(argv)
    if values.help:
        terminal.out(
            method_help.with_method(__doc__, values, flag="--config.parameters.")
        )
        return 0
    flags.join_hosts(values)
    experiment = experiment_of(values)
    scoring = experiment.scoring
    source = source_of(experiment, values)
    segmenter = flags.segmenter_of(
        values,
        model=experiment.model,
        method=experiment.method,
        config=experiment.parameters,
        refinement=flags.refinement_of(values, method=experiment.method),
        features=flags.features_of(values),
    )
    seeds = list(seeded(segmenter.config, scoring.num_seeds))
    passes = segmenter.method.passes
    share = len(hosts.share().of(len(source)))
    of_seed = len(passes) * len(source) + share
    total = len(seeds) * of_seed
    kinds = progress.kinds_of(model=experiment.model, method=experiment.method)
    output = flags.output_of(values)
    batch_size = batches.images_at_once() * jax.local_device_count()
    with _Bars(total, kinds, batch_size) as bars:

        def on_image(
            seed: int, stage: str, done: int, scores: Mapping[str, float]
        ) -> None:
            keys = [key for key in _SHOWN if key in scores][:_FEW]
            shown = (f"{key} {scores[key]:.3f}" for key in keys)
            before = passes.index(stage) if stage in passes else len(passes)
            finished = seeds.index(seed) * of_seed + before * len(source) + done
            bars.scoring.move(finished, ", ".join(shown) or stage)

        def on_scores(metrics: Mapping[str, float]) -> None:
            bars.close()
            if hosts.index() == 0:
                terminal.out(json.dumps(metrics, indent=2))
                terminal.out(f"The scores, of every image too, are in {output}.")

        evaluate(
            segmenter,
            source,
            output,
            scoring=scoring,
            batch_size=batch_size,
            overwrite=values.overwrite,
            drawings=values.drawings,
            on_image=on_image,
            on_note=bars.scoring.err,
            on_scores=on_scores,
            on_drawn=bars.on_drawn,
        )
    return 0


class _Bars(contextlib.ExitStack):
    """A bar over the images that are scored, then one over what is drawn.

    Args:
      total: images, in all passes.
      kinds: what programs are called.
      at_once: how many images may come together.
    """

    def __init__(self, total: int, kinds: Mapping[str, str], at_once: int):
        super().__init__()
        self._kinds = kinds
        self.scoring = self.enter_context(
            progress.Bar(total, kinds=kinds, at_once=at_once)
        )
        self._drawing: progress.Bar | None = None

    def on_drawn(self, done: int, total: int, name: str) -> None:
        """Shows how many drawings there are."""
        if self._drawing is None:
            self._drawing = self.enter_context(
                progress.Bar(total, kinds=self._kinds, unit="drawing")
            )
        self._drawing.move(done, f"drawing {name[-40:]}" if name else "drawn")


def _without_compare(argv: Sequence[str]) -> list[str]:
    """A command line without the flag; the folder of ``--compare=FOLDER`` stays."""
    found = [(x, _COMPARE.fullmatch(x)) for x in argv]
    texts = [match[1] if match else text for text, match in found]
    return [text for text in texts if text]


def run() -> None:
    """Entry point of the installed command."""
    startup.run_command(main)


if __name__ == "__main__":
    run()
