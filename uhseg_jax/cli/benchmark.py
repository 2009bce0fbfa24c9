"""`uhseg-benchmark`: seconds per picture of every stage, warm, on this machine.

Usage: uhseg-benchmark [--image=PICTURE] [--repeats=N] [--json=FILE]
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from absl import flags

from uhseg_jax import backbones, images, methods
from uhseg_jax.benchmarks import stages, timing
from uhseg_jax.cli.startup import keep_quiet
from uhseg_jax.files import writing_aside
from uhseg_jax.pipeline import DEFAULT_METHOD, Segmenter


def _define(values: flags.FlagValues) -> None:
    defined: Any = {"flag_values": values, "module_name": sys.argv[0]}
    flags.DEFINE_bool("help", False, "show this help", **defined)
    flags.DEFINE_string("image", None, "picture; none: scikit-image's", **defined)
    flags.DEFINE_string("model", backbones.DEFAULT_VARIANT, "backbone", **defined)
    flags.DEFINE_integer("repeats", 5, "warm calls of each", 1, **defined)
    flags.DEFINE_bool("anchors", True, "time the dense eigen-solve as well", **defined)
    flags.DEFINE_string("json", None, "also write the figures here", **defined)


def main(argv: list[str]) -> None:
    """Times the stages and prints a table."""
    values = flags.FlagValues()
    _define(values)
    positional = values(argv)[1:]
    if positional:
        raise flags.UnparsedFlagAccessError(
            f"expected flags only, but got {' '.join(positional)}; name a picture "
            "with --image"
        )
    if values.help:
        print(f"{__doc__}\nFlags:\n{values.main_module_help()}")
        return
    segmenter = Segmenter.create(model=values.model)
    with tempfile.TemporaryDirectory(prefix="uhseg-") as scratch:
        folder = Path(scratch)
        picture = Path(values.image) if values.image else _demo(folder)
        calls = stages.stages(segmenter, picture, folder)
        timings = timing.measure(calls, repeats=values.repeats)
        pixels = images.read_image(picture)
    report: dict[str, Any] = {"machine": timing.machine()}
    report["image"] = list(pixels.shape[:2])
    if values.anchors:
        release = methods.recursive_spectral.release()
        plain = Segmenter.create(
            model=values.model, method=DEFAULT_METHOD, config=release
        )
        features = plain.features([pixels])[0]
        rows = features.reshape(-1, features.shape[-1])
        solves = stages.eigen_solves(rows)
        timings |= timing.measure(solves, repeats=min(values.repeats, 3))
        report["eigenvalue_difference"] = stages.check_agreement(rows)
    report["stages"] = {name: found.to_dict() for name, found in timings.items()}
    print(json.dumps({k: v for k, v in report.items() if k != "stages"}, indent=2))
    print(f"\n{'stage':<36}{'median s':>10}{'min s':>10}")
    for name, found in timings.items():
        row = (found.median, min(found.seconds))
        print(f"{name:<36}" + "".join(f"{seconds:>10.3f}" for seconds in row))
    if values.json:
        with writing_aside(values.json) as aside:
            aside.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _demo(folder: Path) -> Path:
    from PIL import Image

    name, pixels = images.demo_image()
    path = folder / f"{name}.png"
    Image.fromarray(pixels).save(path)
    return path


def run() -> None:
    """Entry point of the installed command."""
    keep_quiet()
    try:
        main(sys.argv)
    except (flags.Error, ValueError, OSError, backbones.WeightsError) as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    run()
