"""The first photograph: the installed command as a process, from start to files."""

import dataclasses
import statistics
from pathlib import Path
from typing import Any

from uhseg_jax import backbones
from uhseg_jax.benchmarks.commands import OURS, Command
from uhseg_jax.benchmarks.records import Figure, Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.benchmarks.timing import Timing
from uhseg_jax.scratch import scratch_folder

__all__ = ["measure_first", "segment_arguments"]

_SEGMENT = "uhseg_jax.cli.segment"
# Seconds that a person should wait at most, and compiling among them.
_COLD, _COMPILING, _WARM, _IMPORTING = 20.0, 10.0, 6.0, 2.0
_WARM_RUNS = 3


def segment_arguments(setting: Setting, *, fetch: bool = False) -> list[str]:
    """The flags of `uhseg-segment` that the setting stands for."""
    flags = [
        f"--model={setting.model}",
        f"--method={setting.method}",
        f"--preset={setting.preset}",
    ]
    if setting.refine is not None:
        flags.append(f"--refine={setting.refine}")
    if setting.dtype != backbones.AUTO:
        flags.append(f"--dtype={setting.dtype}")
    if not fetch:
        directory = backbones.checkpoint_directory(setting.checkpoint_dir)
        flags.append(f"--checkpoint_dir={directory}")
    return flags


def measure_first(setting: Setting) -> Record:
    """Wall seconds of `uhseg-segment` with empty and with warm caches.

    The weights are there, unless the setting says that they are fetched. Compiling is
    counted in a run of its own, since counting imports JAX first. Another version of
    the package takes turns.
    """
    if not setting.fetch:
        backbones.load_backbone(setting.model, checkpoint_dir=setting.checkpoint_dir)
    versions = {"ours": OURS}
    if setting.baseline is not None:
        versions["baseline"] = setting.baseline
    timings: dict[str, Timing] = {}
    facts: dict[str, Any] = {}
    with scratch_folder() as folder, setting.image_file() as image:
        runs = {
            name: _Runs(checkout, folder / name, setting, image)
            for name, checkout in versions.items()
        }
        for name, run in runs.items():
            timings[f"{name}: empty caches"] = Timing((run.first(),))
        warm: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(min(setting.repeats, _WARM_RUNS)):
            for name, run in runs.items():
                warm[name].append(run.again())
        for name, run in runs.items():
            timings[f"{name}: warm caches"] = Timing(tuple(warm[name]))
            facts[name] = run.counts()
        facts["import_s"] = {name: run.importing() for name, run in runs.items()}
    return Record(
        timings=timings,
        figures=_figures(timings, facts),
        facts=facts,
        notes=("Weights were fetched in the first run.",) if setting.fetch else (),
    )


def _figures(timings: dict[str, Timing], facts: dict[str, Any]) -> tuple[Figure, ...]:
    """Seconds beside those that a person should wait at most."""
    found = {
        "empty caches": (timings["ours: empty caches"].median, _COLD),
        "compiling, empty caches": (facts["ours"]["cold"]["compile_s"], _COMPILING),
        "warm caches": (timings["ours: warm caches"].median, _WARM),
        "import": (facts["import_s"]["ours"], _IMPORTING),
    }
    return tuple(Figure(name, x, aim=aim) for name, (x, aim) in found.items())


@dataclasses.dataclass(frozen=True)
class _Runs:
    """One version of the package with a folder for its caches and results."""

    checkout: Path
    folder: Path
    setting: Setting
    image: Path

    def first(self) -> float:
        """Seconds with empty caches."""
        return self._command("cache").seconds(*self._arguments("first"))

    def again(self) -> float:
        """Seconds when everything is there."""
        return self._command("cache").seconds(*self._arguments("again"))

    def counts(self) -> dict[str, Any]:
        """What a run with an empty cache of programs compiles, and one after it."""
        command, arguments = self._command("counted"), {}
        for name in ("cold", "warm"):
            arguments[name] = self._arguments(name)
            if self.setting.fetch:  # the first run has fetched them
                arguments[name].append(f"--checkpoint_dir={self.folder / 'cache'}")
        return {name: command.watched(*x) for name, x in arguments.items()}

    def importing(self) -> float:
        """Seconds of a process that imports the package, less those of an empty one."""
        command = Command("timeit", self.folder / "cache", self.checkout)
        package, nothing = (
            statistics.median(
                command.seconds("-n1", "-r1", f"import {module}") for _ in range(3)
            )
            for module in ("uhseg_jax", "sys")
        )
        return round(package - nothing, 2)

    def _command(self, cache: str) -> Command:
        return Command(_SEGMENT, self.folder / cache, self.checkout)

    def _arguments(self, output: str) -> list[str]:
        results = self.folder / "results" / output
        flags = segment_arguments(self.setting, fetch=self.setting.fetch)
        return [str(self.image), f"--output={results}", "--overwrite", *flags]
