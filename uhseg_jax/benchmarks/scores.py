"""Scores beside speed: `uhseg-evaluate` in a process for each setting."""

import json
import math
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uhseg_jax.benchmarks.records import Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.comparison.scores import SHOWN
from uhseg_jax.processes import ProcessError, run_module
from uhseg_jax.runs import score_files
from uhseg_jax.scratch import scratch_folder

__all__ = ["measure_scores"]

_DTYPES = ("float32", "bfloat16")


def measure_scores(setting: Setting) -> Record:
    """Scores and wall seconds of an evaluation, in every dtype."""
    if not setting.evaluate:
        return Record(
            notes=(
                "Scores need --evaluate with the flags of uhseg-evaluate, such as "
                "--evaluate='--images=JPEGImages --masks=SegmentationClass'.",
            )
        )
    facts: dict[str, Any] = {}
    for dtype in _DTYPES:
        with scratch_folder() as output:
            facts[dtype] = _evaluated(setting, output, f"--dtype={dtype}")
    first, *others = facts.values()
    for other in others:
        other["above float32"] = {
            key: round(other["scores"][key] - score, 4)
            for key, score in first["scores"].items()
        }
    return Record(facts=facts)


def _evaluated(setting: Setting, output: Path, *flags: str) -> dict[str, Any]:
    arguments = [*shlex.split(setting.evaluate), f"--output={output}", *flags]
    start = time.perf_counter()
    done = run_module("uhseg_jax.cli.evaluate", arguments)
    wall = time.perf_counter() - start
    metrics = next(iter(sorted(output.rglob(score_files.METRICS))), None)
    if done.returncode or metrics is None:
        raise ProcessError(
            f"uhseg-evaluate {shlex.join(arguments)} ended with status "
            f"{done.returncode}: {done.stderr[-1000:]}"
        )
    scores = _shown(json.loads(metrics.read_text(encoding="utf-8")))
    return {"wall_s": round(wall, 1), "scores": scores}


def _shown(scores: Mapping[str, float | None]) -> dict[str, float]:
    """Those that `uhseg-compare` shows."""
    return {
        key: round(float(value), 4)
        for key in SHOWN
        if (value := scores.get(key)) is not None and math.isfinite(value)
    }
