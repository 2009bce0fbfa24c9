"""`uhseg-benchmark`: seconds per image of every stage, warm, on this machine.

Usage: uhseg-benchmark [--image=IMAGE] [--method=NAME] [--preset=NAME] [--repeats=N]
                       [--json=FILE]
       uhseg-benchmark --forwards=MODEL,... [--repeats=N] [--json=FILE]

The second form times the forward of backbones with random weights on 60 x 60 patches,
beside transformers' where torch is installed; that of diffusion models on one image of
the size that they were trained on.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from uhseg_jax import backbones
from uhseg_jax.benchmarks import reports, timing
from uhseg_jax.cli import startup, terminal
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.devices import require_devices
from uhseg_jax.files import write_json
from uhseg_jax.methods import DEFAULT_METHOD, METHODS
from uhseg_jax.pipeline import Segmenter


def _define(values: flags.FlagValues) -> None:
    defined: Any = {"flag_values": values, "module_name": sys.argv[0]}
    flags.DEFINE_bool("help", False, "show this help", **defined)
    flags.DEFINE_string("image", None, "image; none: scikit-image's", **defined)
    flags.DEFINE_string("model", backbones.DEFAULT_VARIANT, "backbone", **defined)
    flags.DEFINE_string("method", DEFAULT_METHOD, "how regions are found", **defined)
    flags.DEFINE_string("preset", "default", "parameters of the method", **defined)
    flags.DEFINE_list("forwards", [], "backbones whose forward to time", **defined)
    flags.DEFINE_integer("repeats", 5, "warm calls of each", 1, **defined)
    flags.DEFINE_bool("anchors", True, "time rivals of the stages as well", **defined)
    flags.DEFINE_list("labels", ["27"], "numbers of labels of the CRF", **defined)
    flags.DEFINE_string("json", None, "also write the figures here", **defined)


def main(argv: Sequence[str]) -> int:
    """Times the stages and prints a table.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if something could not be timed, 2 for a command line that makes
      no sense, 130 if interrupted.
    """
    return startup.exit_status(lambda: _run(argv))


def _run(argv: Sequence[str]) -> int:
    values = flags.FlagValues()
    _define(values)
    try:
        positional = values(list(argv))[1:]
    except flags.Error as error:
        raise UsageError(f"{error}. See uhseg-benchmark --help.") from error
    if positional:
        raise UsageError(
            f"expected flags only, but got {' '.join(positional)}; name an image "
            "with --image"
        )
    if values.help:
        terminal.out(f"{__doc__}\nFlags:\n{values.main_module_help()}")
        return 0
    require_devices()
    report = _forwards(values) if values.forwards else _stages(values)
    if values.json:
        write_json(values.json, report)
    return 0


def _forwards(values: flags.FlagValues) -> dict[str, Any]:
    report: dict[str, Any] = {"machine": timing.machine(), "forwards": {}}
    terminal.out(json.dumps(report["machine"], indent=2))
    columns = ("ours s", "torch s", "patches/s", "peak GB")
    terminal.out(
        f"\n{'model':<24}{'parameters':>12}" + "".join(f"{x:>11}" for x in columns)
    )
    for name, found in reports.time_forwards(values.forwards, repeats=values.repeats):
        report["forwards"][name] = found
        ours, *theirs = (x["median_s"] for x in found["timings"].values())
        shown = f"{theirs[0]:>11.2f}" if theirs else f"{'':>11}"
        terminal.out(
            f"{name:<24}{found['parameters']:>12,}{ours:>11.2f}{shown}"
            f"{found['cells'] / ours:>11.0f}{found['peak_gb']:>11.2f}",
        )
    return report


def _stages(values: flags.FlagValues) -> dict[str, Any]:
    config = METHODS.find(values.method).preset(values.preset)
    segmenter = Segmenter.create(
        method=values.method, model=values.model, config=config
    )
    image = Path(values.image) if values.image else None
    report, pixels = reports.time_stages(segmenter, image, repeats=values.repeats)
    if values.anchors:
        rivals = reports.time_rivals(
            segmenter,
            pixels,
            model=values.model,
            labels=[int(x) for x in values.labels],
            repeats=values.repeats,
        )
        report |= {**rivals, "stages": {**report["stages"], **rivals["stages"]}}
    terminal.out(
        json.dumps({k: v for k, v in report.items() if k != "stages"}, indent=2)
    )
    terminal.out(f"\n{'stage':<36}{'median s':>10}{'min s':>10}")
    for name, found in report["stages"].items():
        terminal.out(f"{name:<36}{found['median_s']:>10.3f}{found['min_s']:>10.3f}")
    return report


def run() -> None:
    """Entry point of the installed command."""
    # Rivals may use all threads of LAPACK.
    startup.run_command(main, prepare=[startup.keep_quiet])


if __name__ == "__main__":
    run()
