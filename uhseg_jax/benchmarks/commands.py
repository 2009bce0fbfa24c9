"""`uhseg-segment` as a process of its own, with caches that the benchmark chooses."""

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uhseg_jax.benchmarks import watch
from uhseg_jax.processes import ProcessError, run_module
from uhseg_jax.scratch import scratch_folder

__all__ = ["OURS", "Command"]

OURS = Path(__file__).resolve().parents[2]  # where the package that runs lies
_WATCH = "uhseg_watch"  # what the process knows `watch` as


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of a version of the package.

    Attributes:
      module: the module that is run, such as "uhseg_jax.cli.segment".
      checkout: the folder in which the package lies.
      cache: folder of compiled programs, and of weights where the arguments do not name
        another.
    """

    module: str
    cache: Path
    checkout: Path = OURS

    def seconds(self, *arguments: str) -> float:
        """Runs it as a user does, and gives the wall time."""
        wall, _ = self._run("-", arguments)
        return wall

    def watched(self, *arguments: str) -> dict[str, Any]:
        """Runs it and counts what it compiles; see `watch.Programs`.

        Returns:
          The counts, with the wall time as ``wall_s``.
        """
        with scratch_folder() as folder:
            report = folder / "report.json"
            wall, said = self._run(str(report), arguments)
            if not report.is_file():
                raise ProcessError(f"{self.module} left no counts: {said[-1000:]}")
            return {"wall_s": round(wall, 2), **json.loads(report.read_text())}

    def _run(self, report: str, arguments: Sequence[str]) -> tuple[float, str]:
        with scratch_folder() as folder:
            shutil.copy(watch.__file__, folder / f"{_WATCH}.py")
            environment = {
                "PYTHONPATH": os.pathsep.join([str(folder), str(self.checkout)]),
                "UHSEG_CACHE": str(self.cache),
                "TF_CPP_MIN_LOG_LEVEL": "3",
            }
            start = time.perf_counter()
            done = run_module(
                _WATCH, [report, self.module, *arguments], environment=environment
            )
            wall = time.perf_counter() - start
        if done.returncode:
            raise ProcessError(
                f"{self.module} {' '.join(arguments)} ended with status "
                f"{done.returncode}: {done.stderr[-1000:]}"
            )
        return wall, done.stderr
