"""One clip in one of three ways: how long, in how much memory, how steady.

    python benchmarks/clips.py FOLDER --mode=stream --frames=104

FOLDER holds the frames as images; where there are fewer than asked for, they go on
backwards and forwards again. One line of JSON: seconds a frame, of the second half of
the clip, so that nothing is compiled in them; of a whole clip those until its features
and superpixels are known, and beside them the seconds of its graph and tree, with
loading or compiling their program; those of the backbone's forward alone (the median of
five, afterwards); the peak of memory, how many ids there are and how long they last
(`metrics.tubes`), and with OpenCV their flicker.
"""

import argparse
import itertools
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator

import jax
import numpy as np

from uhseg_jax.metrics.states import ratio
from uhseg_jax.metrics.tubes import changed_points, tubes_of
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.types import Int, Pixels
from uhseg_jax.video import FolderFrames, FrameSource, VideoStream, segment_frames
from uhseg_jax.video.flow import flows_of
from uhseg_jax.video.greedy import linked_cuts


class ToAndFro(FrameSource):
    """The frames of a folder, again and again, backwards every other time."""

    def __init__(self, folder: str, count: int):
        self._frames, self._count = FolderFrames.find(folder), count
        self.title = self._frames.title

    @property
    def count(self) -> int:
        """How many frames there are."""
        return self._count

    def frames(self, start: int = 0) -> Iterator[Pixels]:
        """See `FrameSource.frames`."""
        paths = self._frames.paths
        way = itertools.cycle([*paths, *paths[-2:0:-1]])
        some = list(itertools.islice(way, start, self._count))
        yield from FolderFrames(some, self.title).frames()


Labels = Iterable[Int[np.ndarray, "H W"]]
Tick = Callable[..., None]  # when a frame is done


def whole(source: FrameSource, num_regions: int, tick: Tick) -> Labels:
    """The labels of a tree over all frames."""
    found = segment_frames(source, Segmenter.create(), on_frame=tick)
    return found.cut(num_regions=num_regions)


def stream(source: FrameSource, num_regions: int, tick: Tick) -> Labels:
    """Those of a stream."""
    for labels in VideoStream(source, Segmenter.create(), num_regions=num_regions):
        tick()
        yield labels


def greedy(source: FrameSource, num_regions: int, tick: Tick) -> Labels:
    """Those of trees of single frames, linked by overlap."""
    segmenter = Segmenter.create()
    trees = (segmenter([x])[0].tree for x in source.frames())
    cuts = (np.asarray(x.cut(num_regions=num_regions)) for x in trees)
    for labels in linked_cuts(cuts):
        tick()
        yield labels


MODES = {"whole": whole, "stream": stream, "greedy": greedy}


def seconds_of_a_forward(source: FrameSource) -> float:
    """Of one frame through the backbone, compiled."""
    segmenter, seconds = Segmenter.create(), []
    for image in itertools.islice(source.frames(), 6):
        begun = time.perf_counter()
        jax.block_until_ready(segmenter.features([image]))
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


def main() -> None:
    """Parses the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--mode", choices=MODES, default="stream")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--regions", type=int, default=8)
    parser.add_argument("--flicker", action="store_true", help="needs OpenCV")
    parser.add_argument("--keep", help="an npy file for the labels")
    given = parser.parse_args()
    source = ToAndFro(given.folder, given.frames)
    ends: list[float] = []
    made = MODES[given.mode](
        source, given.regions, lambda *_: ends.append(time.perf_counter())
    )
    clip = np.stack([x.astype(np.int16) for x in made])
    done, half = time.perf_counter(), len(ends) // 2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = (ends[-1] - ends[half - 1]) / (len(ends) - half)
    found = {"seconds a frame": round(seconds, 3), "peak GB": round(peak, 2)}
    if given.mode == "whole":
        found["seconds of graph and tree"] = round(done - ends[-1], 2)
    found["seconds of a forward"] = round(seconds_of_a_forward(source), 3)
    found.update({k: round(v, 3) for k, v in tubes_of(clip).row().items()})
    if given.flicker:
        flows = flows_of(source.frames())
        counts = [
            changed_points(one, other, *flow)
            for (one, other), flow in zip(itertools.pairwise(clip), flows, strict=True)
        ]
        changed, points = np.sum(counts, axis=0)
        found["flicker"] = round(float(ratio(changed, points)), 4)
    print(json.dumps({"clip": source.title, "mode": given.mode, **found}))
    if given.keep:
        np.save(given.keep, clip)


if __name__ == "__main__":
    main()
