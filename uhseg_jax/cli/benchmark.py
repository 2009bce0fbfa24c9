"""`uhseg-benchmark`: what one waits for here, beside anchors of the same run.

Usage: uhseg-benchmark [--sections=NAME,...] [--json=FILE] [--plot=FILE.png] [flags]
       uhseg-benchmark --forwards=MODEL,... [--repeats=N] [--json=FILE]

Contenders take turns in one process; medians of the warm calls are printed, with ratios
to anchors and, where a figure has an aim, whether it is met. Anchors that are not
installed are named with what pip needs. The second form times the forward of backbones
with random weights on 60 x 60 patches; that of diffusion models on one image of the
size that they were trained on.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from uhseg_jax import backbones
from uhseg_jax.benchmarks import anchors, plot
from uhseg_jax.benchmarks.machine import machine
from uhseg_jax.benchmarks.records import Record, table
from uhseg_jax.benchmarks.sections import DEFAULT_SECTIONS, SECTIONS
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.cli import help_texts, startup, terminal
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.devices import require_devices
from uhseg_jax.files import atomic_write, expand_home, write_json
from uhseg_jax.methods import DEFAULT_METHOD

__all__ = ["main", "run"]


def _define(values: flags.FlagValues) -> None:
    defined: Any = {"flag_values": values, "module_name": __name__}
    flags.DEFINE_bool("help", False, "show this help", short_name="h", **defined)
    summaries = "; ".join(f"{x.name}, {x.summary}" for x in SECTIONS.values())
    flags.DEFINE_list(
        "sections", list(DEFAULT_SECTIONS), f"what to measure: {summaries}", **defined
    )
    flags.DEFINE_string("image", None, "image; none: scikit-image's", **defined)
    flags.DEFINE_string(
        "folder", None, "images of the section folder; none: twelve sizes", **defined
    )
    flags.DEFINE_string("model", backbones.DEFAULT_VARIANT, "backbone", **defined)
    flags.DEFINE_string("method", DEFAULT_METHOD, "how regions are found", **defined)
    flags.DEFINE_string("preset", "default", "parameters of the method", **defined)
    flags.DEFINE_string(
        "refine", None, "refiners; none: those of the method", **defined
    )
    flags.DEFINE_enum(
        "dtype", backbones.AUTO, backbones.DTYPES, "of the backbone's products",
        **defined,
    )  # fmt: skip
    flags.DEFINE_string("checkpoint_dir", None, "folder of weights", **defined)
    flags.DEFINE_list("forwards", [], "backbones whose forward to time", **defined)
    flags.DEFINE_integer("repeats", 5, "warm calls of each", 1, **defined)
    flags.DEFINE_bool("anchors", True, "time rivals of the stages as well", **defined)
    flags.DEFINE_list("labels", ["27"], "numbers of labels of the CRF", **defined)
    flags.DEFINE_list(
        "sizes", ["12"], "numbers of random sizes of the section programs", **defined
    )
    flags.DEFINE_integer(
        "images_count", 24, "images of the section throughput", 1, **defined
    )
    flags.DEFINE_bool(
        "fetch", False, "the section first fetches the weights as well", **defined
    )
    flags.DEFINE_string(
        "baseline",
        None,
        "checkout of another version, which takes turns in first and folder",
        **defined,
    )
    flags.DEFINE_string(
        "evaluate",
        "",
        "flags of uhseg-evaluate, with absolute paths, for the section scores",
        **defined,
    )
    flags.DEFINE_string("json", None, "also write the figures here", **defined)
    flags.DEFINE_string("plot", None, "also draw the seconds here, a PNG", **defined)


def main(argv: Sequence[str]) -> int:
    """Measures the sections and prints their tables.

    Args:
      argv: the command line, with the name of the command first.

    Returns:
      Exit status: 0, 1 if something could not be measured, 2 for a command line that
      makes no sense, 130 if interrupted.
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
        terminal.out(f"{__doc__}\nFlags:\n{help_texts.listed(values)}")
        return 0
    names = ["forward"] if values.forwards else values.sections
    sections = [SECTIONS.find(name) for name in names]
    setting = _setting(values)
    require_devices()
    report: dict[str, Any] = {"machine": machine(), "setting": setting.to_dict()}
    terminal.out(json.dumps(report, indent=2))
    records: dict[str, Record] = {}
    for section in sections:
        records[section.name] = section.measure(setting)
        terminal.out(table(section.name, records[section.name]))
        report["sections"] = {name: x.to_dict() for name, x in records.items()}
        if values.json:  # as it goes, so that an interruption costs one section
            write_json(values.json, report)
    if values.plot:
        _draw(expand_home(values.plot), records)
    return 0


def _setting(values: flags.FlagValues) -> Setting:
    def path(text: str | None) -> Path | None:
        return expand_home(text).absolute() if text else None

    return Setting(
        model=values.model,
        method=values.method,
        preset=values.preset,
        refine=values.refine,
        dtype=values.dtype,
        checkpoint_dir=path(values.checkpoint_dir),
        image=path(values.image),
        folder=path(values.folder),
        repeats=values.repeats,
        anchors=values.anchors,
        labels=_numbers(values, "labels"),
        models=tuple(values.forwards),
        images_count=values.images_count,
        sizes=_numbers(values, "sizes"),
        fetch=values.fetch,
        baseline=path(values.baseline),
        evaluate=values.evaluate,
    )


def _numbers(values: flags.FlagValues, flag: str) -> tuple[int, ...]:
    texts = values[flag].value or []
    if not texts or not all(x.isdecimal() and int(x) for x in texts):
        raise UsageError(
            f"--{flag} expects numbers from 1 up, such as 12,100, but got "
            f"{','.join(texts)!r}."
        )
    return tuple(map(int, texts))


def _draw(path: Path, records: dict[str, Record]) -> None:
    sentences = list(anchors.missing("matplotlib"))
    if sentences:
        terminal.err(*sentences)
        return
    with atomic_write(path) as aside:
        plot.draw(aside, records)
    terminal.out(f"\nWritten: {path}")


def run() -> None:
    """Entry point of the installed command."""
    # Rivals may use all threads of LAPACK.
    startup.run_command(main, prepare=[startup.keep_quiet])


if __name__ == "__main__":
    run()
