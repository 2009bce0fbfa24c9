"""The flags that only `uhseg-evaluate` has, checked against each other."""

import re
from collections.abc import Sequence

from uhseg_jax.cli import flags
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.protocols import PROTOCOLS, Scoring
from uhseg_jax.protocols.matched import BACKGROUNDS

__all__ = ["parse"]

_OVERRIDE = re.compile(r"^--?config\.", re.DOTALL)
# What configs say for themselves; boundaries may be added.
_SCORING = ("protocol", "crop", "num_regions", "background", "num_seeds")
_FOR_FOLDERS = (
    *("images", "masks", "annotations", "taxonomy", "model", "method", "preset"),
    *_SCORING,
)
_FOR_CONFIGS = ("data_dir", "manual_dir")
_AS_OVERRIDE = {x: x for x in ("model", "method", "preset", *_SCORING)}

_FLAGS: list[flags.Flag] = [
    ("string", "config", None,
     "A file of configs/, or the name of one, such as voc2012. --config.NAME=VALUE and "
     "--config.parameters.NAME=VALUE replace what it says, as do --config.method=NAME "
     "and --config.preset=NAME; model, method and preset are not given otherwise."),
    ("multi_string", "override", [],
     "--override=NAME=VALUE is another way to write --config.NAME=VALUE"),
    ("string", "data_dir", None,
     "Folder of prepared datasets; by default that of TFDS, ~/tensorflow_datasets."),
    ("string", "manual_dir", None, "Folder of the dataset's original files."),
    ("string", "images", None, "Folder of images, instead of a config."),
    ("string", "masks", None, "Folder of index PNGs, named as the images are."),
    ("string", "annotations", None,
     "In place of --masks a JSON file in COCO's format that lists the objects in the "
     "images (COCO, LVIS and so on), or a folder with one for every image, as SA-1B "
     "has; the protocol is then instances."),
    ("string", "names", None,
     "Text file with the names to take, one a line; all by default. Of a folder of "
     "images it may list paths from there, as the --list of uhseg-segment."),
    ("string", "taxonomy", None,
     "Label hierarchy of the masks; by default 0 is background, 255 is ignored and "
     "every other id a class. Masks of 0 and 255 alone need one."),
    ("string", "output", "scores", "Folder for the scores."),
    ("bool", "overwrite", False, "Forget what was scored before."),
    ("integer", "drawings", 200,
     "Draw so many images at the most, evenly spaced, small, for uhseg-compare.",
     {"lower_bound": 0}),
    ("enum", "protocol", Scoring.protocol,
     "How trees are scored: "
     + "; ".join(f"{x.name}, {x.summary}" for x in PROTOCOLS.values())
     + ". Give --taxonomy with hungarian: absent classes count.",
     {"enum_values": list(PROTOCOLS)}),
    ("integer", "crop", None,
     "Score the middle squares of the images, brought to this side; zero-shot "
     "segmenters take 512.", {"lower_bound": 1}),
    ("integer", "num_regions", None,
     "With --protocol=hungarian: cut trees to at most so many segments; their leaves "
     "by default.", {"lower_bound": 1}),
    ("enum", "background", Scoring.background,
     "With --protocol=hungarian: class matches the background as every class; rest "
     "gives it all segments that no object gets, as DiffCut is scored on images that "
     "are mostly background.", {"enum_values": list(BACKGROUNDS)}),
    ("integer", "num_seeds", None,
     "Average over runs with so many consecutive seeds of the method.",
     {"lower_bound": 1}),
    ("bool", "boundaries", False,
     "Score the boundaries between classes too, as BSDS does (BSDS has them anyway); "
     "slower."),
]  # fmt: skip


def parse(argv: Sequence[str]) -> flags.Flags:
    """Reads the command line.

    Args:
      argv: with the name of the command first.

    Raises:
      UsageError: flags are unknown, have values they cannot have or do not go together.
    """
    values = flags.define(*_FLAGS)
    argv = [_OVERRIDE.sub("--override=", text) for text in argv]
    positional = flags.parse(values, argv, dotted=("refinement",))
    if not values.help:
        _require_sense(values, positional)
    return values


def _require_sense(values: flags.Flags, positional: Sequence[str]) -> None:
    if positional:
        raise UsageError(
            f"expected flags only, but got {' '.join(positional)}; a folder of "
            "images goes with --images. See uhseg-evaluate --help."
        )
    if not values.config and values.override:
        raise UsageError(f"--config.{values.override[0]} needs --config=FILE.")
    truths = [name for name in ("masks", "annotations") if values[name].value]
    if not values.config and not (values.images and truths):
        raise UsageError(
            "expected --config, or --images and --masks together, or --images and "
            "--annotations. See uhseg-evaluate --help."
        )
    one, others = (
        ("config", _FOR_FOLDERS) if values.config else ("images", _FOR_CONFIGS)
    )
    clashing = [name for name in others if values[name].present]
    if clashing:
        instead = _AS_OVERRIDE.get(clashing[0])
        advice = f"; say --config.{instead}=VALUE" if instead else ""
        named = ", ".join(f"--{name}" for name in clashing)
        raise UsageError(f"--{one} does not go with {named}{advice}.")
    if values.annotations and (values.masks or values.taxonomy):
        raise UsageError(
            "--annotations does not go with --masks or --taxonomy: it lists objects, "
            "and their classes are of no matter."
        )
