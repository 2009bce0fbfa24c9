"""A folder of images of many sizes: seconds an image, programs, memory."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from uhseg_jax import backbones, images
from uhseg_jax.benchmarks import photographs
from uhseg_jax.benchmarks.commands import OURS, Command
from uhseg_jax.benchmarks.first import segment_arguments
from uhseg_jax.benchmarks.records import Figure, Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.benchmarks.timing import Timing
from uhseg_jax.scratch import scratch_folder

__all__ = ["measure_folder"]


def measure_folder(setting: Setting) -> Record:
    """`uhseg-segment` on a folder, with empty and with warm caches of programs.

    Both are watched, which imports JAX first and costs nothing else. Another version of
    the package takes turns.
    """
    backbones.load_backbone(setting.model, checkpoint_dir=setting.checkpoint_dir)
    versions = {"ours": OURS}
    if setting.baseline is not None:
        versions["baseline"] = setting.baseline
    facts: dict[str, Any] = {}
    timings: dict[str, Timing] = {}
    with scratch_folder() as scratch, _images(setting) as folder:
        count = len(images.find_images([folder]))
        facts["images"] = count
        for caches in ("empty", "warm"):
            for name, checkout in versions.items():
                command = Command("uhseg_jax.cli.segment", scratch / name, checkout)
                output = scratch / f"{name}-{caches}"
                found = command.watched(
                    str(folder), f"--output={output}", *segment_arguments(setting)
                )
                key = f"{name}: {caches} caches"
                timings[f"{key}, s an image"] = Timing((found["wall_s"] / count,))
                facts[key] = found
    return Record(timings=timings, figures=_figures(timings, versions), facts=facts)


def _figures(
    timings: dict[str, Timing], versions: dict[str, Path]
) -> tuple[Figure, ...]:
    if "baseline" not in versions:
        return ()
    return tuple(
        Figure.ratio(timings, f"ours: {x}", f"baseline: {x}", 1.0)
        for x in ("empty caches, s an image", "warm caches, s an image")
    )


@contextlib.contextmanager
def _images(setting: Setting) -> Iterator[Path]:
    """The setting's folder, or twelve photographs of different sizes."""
    if setting.folder is not None:
        yield setting.folder
        return
    with photographs.folder_of(photographs.TWELVE) as folder:
        yield folder
