"""Scores beside speed: `uhseg-evaluate` in a process for each setting.

And the seconds of what takes longest in scoring, the matching of boundaries.
"""

import json
import math
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from uhseg_jax.benchmarks.records import Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.comparison.scores import SHOWN
from uhseg_jax.metrics.boundary import score_stack
from uhseg_jax.metrics.scales import NUM_REGIONS
from uhseg_jax.processes import ProcessError, run_module
from uhseg_jax.runs import score_files
from uhseg_jax.scratch import scratch_folder
from uhseg_jax.types import Float, Int

__all__ = ["measure_scores"]

_DTYPES = ("float32", "bfloat16")
_HEIGHT, _WIDTH = 321, 481  # of most images of BSDS500


def measure_scores(setting: Setting) -> Record:
    """Scores and seconds of an evaluation in every dtype, and of boundaries."""
    facts: dict[str, Any] = {"boundaries": _time_boundaries()}
    if not setting.evaluate:
        return Record(
            facts=facts,
            notes=(
                "Scores need --evaluate with the flags of uhseg-evaluate, such as "
                "--evaluate='--images=JPEGImages --masks=SegmentationClass'.",
            ),
        )
    for dtype in _DTYPES:
        with scratch_folder() as output:
            facts[dtype] = _evaluated(setting, output, f"--dtype={dtype}")
    first, *others = (facts[dtype] for dtype in _DTYPES)
    for other in others:
        other["above float32"] = {
            key: round(other["scores"][key] - score, 4)
            for key, score in first["scores"].items()
        }
    return Record(facts=facts)


def _time_boundaries() -> dict[str, float]:
    """Seconds to score the boundaries of an image's cuts, in this process.

    Of the size, and with about as many boundaries, as one of BSDS500: cells around
    random points, cut to fewer as a tree is, against those of five people.
    """
    rng = np.random.default_rng(0)
    pixels = np.moveaxis(np.mgrid[:_HEIGHT, :_WIDTH], 0, -1)

    def cells(count: int) -> tuple[Int[np.ndarray, "h w"], Float[np.ndarray, "n 2"]]:
        points = rng.uniform(0, (_HEIGHT, _WIDTH), (count, 2))
        return KDTree(points).query(pixels)[1], points

    labels, points = cells(NUM_REGIONS[-1])
    cuts = [KDTree(points[:k]).query(points)[1][labels] for k in NUM_REGIONS]
    people = [cells(count)[0] for count in (6, 12, 18, 24, 30)]
    start = time.perf_counter()
    score_stack(np.stack(cuts), people)
    return {"image_s": round(time.perf_counter() - start, 3)}


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
