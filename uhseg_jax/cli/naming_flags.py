"""The flags of names for regions, which several commands have."""

from absl import flags

from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.naming.options import DEFAULT_MODEL, NamingOptions, parse_labels
from uhseg_jax.runs.names import Naming

__all__ = ["NAMING_FLAGS", "naming_of", "naming_options_of"]

_OTHERS = ("labels_model", "labels_threshold")

NAMING_FLAGS = [
    ("string", "labels", None,
     "Labels, such as 'dog, grass, sky': every region gets the one that it fits best "
     "as a CLIP sees it, or none; they are classes in coco.json and the other formats. "
     "Trees stay as they are. Needs pip install 'uhseg_jax[prompts]'."),
    ("string", "labels_model", DEFAULT_MODEL,
     "The CLIP that compares regions with --labels: clip_vitb32, clip_vitb16 or "
     "clip_vitl14."),
    ("float", "labels_threshold", NamingOptions.threshold,
     "Probability of its best label, among all labels and the texts that stand for no "
     "name ('background', 'something'), below which a region has none.",
     {"lower_bound": 0.0, "upper_bound": 1.0}),
]  # fmt: skip


def naming_options_of(values: flags.FlagValues) -> NamingOptions | None:
    """How regions are named; None where they are not.

    Raises:
      UsageError: there are labels that cannot be, or none although a model is named.
    """
    if values.labels is None:
        given = [f"--{x}" for x in _OTHERS if values[x].present]
        if given:
            raise UsageError(f"{given[0]} goes with --labels, which are not given.")
        return None
    try:
        labels = parse_labels(values.labels)
    except ValueError as error:
        raise UsageError(f"--labels: {error}") from error
    return NamingOptions(labels, threshold=values.labels_threshold)


def naming_of(values: flags.FlagValues) -> Naming | None:
    """What names the regions of results, its model loaded; None if nothing does.

    Raises:
      UsageError: as for `naming_options_of`.
      ValueError: there is no such model.
      MissingPackageError: the package that reads text is not installed.
      WeightsError: its weights could not be had.
    """
    options = naming_options_of(values)
    if options is None:
        return None
    from uhseg_jax.naming.namer import Namer  # models, which others go without

    namer = Namer.create(
        options,
        model=values.labels_model,
        checkpoint_dir=values.checkpoint_dir,
        dtype=values.dtype if "dtype" in values else "auto",
    )
    return Naming(namer)
