"""`uhseg-benchmark`: seconds per picture of every stage, warm, on this machine.

Usage: uhseg-benchmark [--image=PICTURE] [--repeats=N] [--json=FILE]
       uhseg-benchmark --forwards=MODEL,... [--repeats=N] [--json=FILE]

The second form times the forward of backbones with random weights, 60 x 60 patches,
beside transformers' where torch is installed.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from absl import flags

from uhseg_jax import backbones, images, methods
from uhseg_jax.benchmarks import forwards, refiners, stages, timing
from uhseg_jax.cli.startup import keep_quiet
from uhseg_jax.files import writing_aside
from uhseg_jax.pipeline import DEFAULT_METHOD, Segmenter


def _define(values: flags.FlagValues) -> None:
    defined: Any = {"flag_values": values, "module_name": sys.argv[0]}
    flags.DEFINE_bool("help", False, "show this help", **defined)
    flags.DEFINE_string("image", None, "picture; none: scikit-image's", **defined)
    flags.DEFINE_string("model", backbones.DEFAULT_VARIANT, "backbone", **defined)
    flags.DEFINE_list("forwards", [], "backbones whose forward to time", **defined)
    flags.DEFINE_integer("repeats", 5, "warm calls of each", 1, **defined)
    flags.DEFINE_bool("anchors", True, "time rivals of the stages as well", **defined)
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
    if values.forwards:
        report = _forwards(values.forwards, repeats=values.repeats)
    else:
        report = _stages(values)
    if values.json:
        with writing_aside(values.json) as aside:
            aside.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _forwards(names: list[str], *, repeats: int) -> dict[str, Any]:
    report: dict[str, Any] = {"machine": timing.machine(), "forwards": {}}
    print(json.dumps(report["machine"], indent=2))
    columns = ("ours s", "torch s", "patches/s", "peak GB")
    print(f"\n{'model':<24}{'parameters':>12}" + "".join(f"{x:>11}" for x in columns))
    for name in names:
        side = forwards.side_of_60_patches(name)
        calls = forwards.forwards(name, side)
        timings = timing.measure(calls, repeats=repeats)
        ours, *theirs = (found.median for found in timings.values())
        count = backbones.num_parameters(backbones.get_variant(name).spec)
        imports, peak = forwards.peak_memory(name, side)
        report["forwards"][name] = {
            "parameters": count,
            "side": side,
            "timings": {key: found.to_dict() for key, found in timings.items()},
            "peak_gb": peak,
            "imports_gb": imports,
        }
        shown = f"{theirs[0]:>11.2f}" if theirs else f"{'':>11}"
        print(
            f"{name:<24}{count:>12,}{ours:>11.2f}{shown}{3600 / ours:>11.0f}"
            f"{peak:>11.2f}",
            flush=True,
        )
    return report


def _stages(values: flags.FlagValues) -> dict[str, Any]:
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
        timings |= timing.measure(
            refiners.refiners(segmenter, pixels), repeats=values.repeats
        )
        fields = refiners.mean_fields(*refiners.crf_problem(pixels))
        timings |= timing.measure(fields, repeats=values.repeats)
        if len(fields) > 1:
            report["dense_crf"] = refiners.check_agreement(fields)
    report["stages"] = {name: found.to_dict() for name, found in timings.items()}
    print(json.dumps({k: v for k, v in report.items() if k != "stages"}, indent=2))
    print(f"\n{'stage':<36}{'median s':>10}{'min s':>10}")
    for name, found in timings.items():
        row = (found.median, min(found.seconds))
        print(f"{name:<36}" + "".join(f"{seconds:>10.3f}" for seconds in row))
    return report


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
