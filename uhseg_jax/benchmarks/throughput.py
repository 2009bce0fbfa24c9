"""A folder by one process, all stages overlapped, beside its forwards alone."""

import time
from pathlib import Path

from uhseg_jax.benchmarks import photographs, watch
from uhseg_jax.benchmarks.records import Figure, Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.benchmarks.timing import Timing, measure
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs import segment
from uhseg_jax.runs.images import find_run_images
from uhseg_jax.runs.segment_claims import claim_images
from uhseg_jax.scratch import scratch_folder

__all__ = ["measure_throughput", "segment_folder"]

_AIM = 1.2  # of the forwards alone


def measure_throughput(setting: Setting) -> Record:
    """Seconds of a run over a folder of twelve sizes, warm, beside its forwards.

    The forward is timed before the run and after it, as often as the setting says.
    """
    segmenter, count = setting.segmenter(), setting.images_count
    twelve = photographs.TWELVE
    sizes = [twelve[i % len(twelve)] for i in range(count)]
    with scratch_folder() as scratch:
        with photographs.folder_of(twelve) as warm_up:
            segment_folder(segmenter, warm_up, scratch / "warm-up")
        pixels = photographs.photograph(0, twelve[0])
        calls = {"forward": lambda: segmenter.features([pixels])}
        before = measure(calls, repeats=setting.repeats)["forward"]
        with photographs.folder_of(sizes) as folder, watch.Programs() as programs:
            wall = segment_folder(segmenter, folder, scratch / "results")
        after = measure(calls, repeats=setting.repeats, warm_up=False)["forward"]
    forward = Timing(before.seconds + after.seconds)
    run, forwards = f"{count} images, files to files", f"{count} forwards"
    alone = count * forward.median
    return Record(
        timings={"forward": forward, run: Timing((wall,))},
        figures=(Figure(run, wall / alone, forwards, _AIM),),
        facts={
            "images_per_s": count / wall,
            "programs compiled on the way": programs.count,
            "peak_gb": watch.peak_memory(),
        },
    )


def segment_folder(segmenter: Segmenter, folder: Path, output: Path) -> float:
    """Segments a folder into another as `uhseg-segment` does; gives the seconds.

    Raises:
      RuntimeError: an image has no result.
    """
    found = find_run_images([folder], output=output).images
    start = time.perf_counter()
    settings = segment.settings_of(segmenter, found)
    with claim_images(output, settings, found) as claimed:
        report = segment.segment_images(segmenter, found, claimed)
    wall = time.perf_counter() - start
    if report.failures or report.segmented != len(found):
        raise RuntimeError(f"Some images have no result: {report}")
    return wall
