"""Streams: what lasts, what is remembered, and what the same frames give."""

import dataclasses

import numpy as np
import pytest

import uhseg_jax
from uhseg_jax.backbones import PatchRequest
from uhseg_jax.methods import region_merging
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.superpixels import SuperpixelConfig
from uhseg_jax.video import ArrayFrames, VideoError, VideoStream, segment_frames
from uhseg_jax.video.frames import FrameSource

CONFIG = region_merging.Config(
    request=PatchRequest(grid=4, blocks=(-1,)),
    superpixels=SuperpixelConfig(count=40),
    color_weight=30.0,  # the tiny backbone knows nothing
    max_ncut=0.0,
    max_regions=12,
)
SEA, SQUARE = (40, 90, 200), (220, 60, 30)


def clip(count):
    """A red square that goes three pixels to the right from frame to frame."""
    frames = np.full((count, 36, 48, 3), SEA, np.uint8)
    for i, frame in enumerate(frames):
        frame[4:20, 3 * i : 3 * i + 16] = SQUARE
    return frames


def of(frames, color):
    return (frames == np.array(color, np.uint8)).all(axis=-1)


def most(labels, mask):
    return np.bincount(labels[mask]).argmax()


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.create(model="dinov2_test", config=CONFIG)


@pytest.fixture(scope="module")
def stream_of(segmenter):
    def stream(frames, **settings):
        source = frames
        if not isinstance(frames, FrameSource):
            source = ArrayFrames(list(frames), title="square")
        settings = {"num_regions": 2, "window": 4, **settings}
        return VideoStream(source, segmenter, **settings)

    return stream


@pytest.fixture(scope="module")
def nine(stream_of):
    frames = clip(9)
    return frames, np.stack(list(stream_of(frames)))


def test_a_region_keeps_its_id_through_all_windows(nine):
    frames, labels = nine
    square = of(frames, SQUARE)
    assert labels.dtype == np.int32
    assert labels.shape == frames.shape[:3]
    assert sorted(np.unique(labels)) == [1, 2]
    one, other = most(labels, square), most(labels, ~square)
    assert one != other
    assert (labels == one)[square].mean() > 0.98
    assert (labels == other)[~square].mean() > 0.98


def test_the_first_window_is_the_clip_as_a_whole(nine, segmenter):
    frames, labels = nine
    tree = segment_frames(ArrayFrames(list(frames[:4])), segmenter)
    cut = tree.cut(num_regions=2)
    pairs = np.unique(np.stack([cut.ravel(), labels[:4].ravel()]), axis=1)
    assert pairs.shape[1] == 2


def test_later_frames_change_no_label_that_was_given(nine, stream_of):
    frames, labels = nine
    np.testing.assert_array_equal(list(stream_of(frames[:6])), labels[:6])


@pytest.mark.parametrize("given", [3, 5])
def test_a_restored_stream_goes_on_behind_the_last_frame(given, nine, stream_of):
    frames, labels = nine
    stream = stream_of(frames)
    for _ in range(given):
        next(stream)
    rest = stream_of(frames, state=stream.state())
    assert rest.num_frames == given
    np.testing.assert_array_equal(list(rest), labels[given:])
    assert rest.num_frames == 9


@pytest.mark.slow
def test_memory_holds_one_window(stream_of):
    class Counted(FrameSource):
        title, taken = "endless", 0

        def frames(self, start=0):
            for i in range(start, 1000):
                self.taken = i + 1
                yield clip(4)[i % 4]

    source = Counted()
    stream = stream_of(source)
    for _ in range(6):
        next(stream)
    assert source.taken <= 8  # two windows, and what is read ahead
    size = sum(x.nbytes for x in stream.state().values())
    next(stream)
    next(stream)
    next(stream)
    assert abs(sum(x.nbytes for x in stream.state().values()) - size) < 5000


def test_what_was_read_before_a_failure_is_given_first(stream_of):
    class Broken(FrameSource):
        title = "broken"

        def frames(self, start=0):
            yield from clip(7)[start:]
            raise VideoError("broken: expected another frame.")

    stream, labels = stream_of(Broken()), []
    with pytest.raises(VideoError, match="another frame"):
        labels.extend(stream)
    with pytest.raises(StopIteration):
        next(stream)
    assert stream.num_frames == len(labels) == 7


@pytest.mark.slow
def test_a_frame_of_another_size_is_named(stream_of):
    frames = [*clip(6), clip(1)[0, :, :40]]
    labels = []
    with pytest.raises(VideoError, match="frame 00006 is 40 x 36 and those before"):
        labels.extend(stream_of(ArrayFrames(frames)))
    assert len(labels) == 6


def test_what_cannot_be_streamed_is_told(stream_of, segmenter):
    with pytest.raises(VideoError, match="expected at least one frame"):
        next(stream_of([]))
    with pytest.raises(ValueError, match=r"window.*at least 2"):
        stream_of(clip(2), window=1)
    with pytest.raises(ValueError, match="num_regions"):
        stream_of(clip(2), num_regions=0)
    state = stream_of(clip(2)).state()
    with pytest.raises(ValueError, match="window=6, but it is one with window=4"):
        stream_of(clip(2), state=state, window=6)
    other = dataclasses.replace(
        segmenter, config=dataclasses.replace(CONFIG, max_regions=9)
    )
    with pytest.raises(ValueError, match="with config="):
        VideoStream(
            ArrayFrames(list(clip(2))), other, num_regions=2, window=4, state=state
        )
    stream = stream_of(clip(5))
    next(stream), next(stream)
    flat = np.zeros((9, 8, 8, 3), np.uint8)
    with pytest.raises(VideoError, match="a stream of this clip"):
        next(stream_of(flat, state={**stream.state(), "sizes": np.array([7])}))
    rest = stream_of(clip(5))
    assert len(list(rest)) == 5
    with pytest.raises(VideoError, match=r"square: .*not in this one"):
        next(stream_of(clip(2), state=rest.state()))
    with pytest.raises(ValueError, match="lacks 'sizes'"):
        stream_of(clip(2), state={k: v for k, v in state.items() if k != "sizes"})
    with pytest.raises(ValueError, match="needs the patches of one image"):
        uhseg_jax.stream_video(clip(2), method="diffusion_walk", model="dinov2_test")


def test_one_frame_is_a_stream(stream_of):
    (labels,) = stream_of(clip(1))
    assert len(np.unique(labels)) == 2
