"""`uhseg-segment --video` and `--volume`: clips in, regions through time out."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from uhseg_jax.cli import flags, progress, terminal
from uhseg_jax.cli.segment_flags import config_of
from uhseg_jax.cli.video_flags import clip_options_of, formats_of, mode_of
from uhseg_jax.images import ImageError
from uhseg_jax.pipeline import require_graphs
from uhseg_jax.runs.clips import RunClip, find_run_clips
from uhseg_jax.runs.segment import Report
from uhseg_jax.runs.segment_clips import claim_clips, clip_settings, segment_clips

__all__ = ["run_clips"]


def run_clips(values: flags.Flags) -> int:
    """Segments the clips that a command line names.

    Args:
      values: its flags, checked.

    Returns:
      The exit status of the command.
    """
    chosen = {
        "config": config_of(values),
        "refinement": flags.refinement_of(values, method=values.method),
    }
    flags.join_hosts(values)
    formats, notes = formats_of(values)
    for sentence in notes:
        terminal.err(sentence)
    clips = find_run_clips(values.images, volumes=values.volume)
    report = _segment(values, clips, formats, **chosen)
    output = flags.output_of(values)
    failed = f"{len(report.failures)} failed"
    told = " (see above)" if report.failures else ""
    terminal.out(
        f"{report.segmented} segmented, {report.skipped} done before, {failed}{told}. "
        f"Results are in {output}."
    )
    if "html" in formats and report.segmented + report.skipped:
        terminal.out(f"Open {(output / 'index.html').absolute()} in a browser.")
    return 1 if report.failures else 0


def _segment(
    values: flags.Flags,
    clips: Sequence[RunClip],
    formats: Sequence[str],
    **chosen: Any,
) -> Report:
    segmenter = flags.segmenter_of(
        values, model=values.model, method=values.method, **chosen
    )
    require_graphs(segmenter.method)
    mode = mode_of(values)
    claimed = claim_clips(
        flags.output_of(values),
        clip_settings(segmenter, mode),
        clips,
        formats=formats,
        overwrite=values.overwrite,
    )
    with claimed, _progress(values, clips) as callbacks:
        return segment_clips(
            segmenter,
            clips,
            claimed,
            mode,
            formats=formats,
            options=clip_options_of(values),
            **callbacks,
        )


@contextlib.contextmanager
def _progress(
    values: flags.Flags, clips: Sequence[RunClip]
) -> Iterator[dict[str, Any]]:
    """A bar over the frames of all clips, with the callbacks that move it."""
    counts = {x.name: max(1, _count(x)) for x in clips}
    before = dict(zip(counts, _sums(list(counts.values())), strict=True))
    kinds = progress.kinds_of(model=values.model, method=values.method)
    with progress.Bar(sum(counts.values()), kinds=kinds, unit="frame") as bar:

        def on_frame(clip: RunClip, done: int) -> None:
            # The last frame of a clip counts when its files are written.
            share = min(done, counts[clip.name] - 1)
            bar.move(before[clip.name] + share, f"{clip.title[-40:]}, frame {done}")

        def on_done(clip: RunClip, failure: str) -> None:
            if failure:
                bar.err(failure)
            bar.move(before[clip.name] + counts[clip.name], clip.title[-40:])

        yield {"on_frame": on_frame, "on_done": on_done}


def _count(clip: RunClip) -> int:
    """How many frames a clip has, as far as that is known before."""
    try:
        return clip.open().count or 0
    except ImageError:
        return 0  # which is said when its turn comes


def _sums(values: list[int]) -> list[int]:
    """What stands before each of some values."""
    return [sum(values[:index]) for index in range(len(values))]
