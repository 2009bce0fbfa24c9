"""A clip as one graph, and its tree."""

import numpy as np
import pytest
from color_method import METHOD
from PIL import Image

import uhseg_jax
from uhseg_jax.parts import Parts
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.video import ArrayFrames, segment_frames


def square_on_its_way(count=4, size=(36, 48)):
    """A red square that goes three pixels to the right from frame to frame."""
    frames = np.full((count, *size, 3), (40, 90, 200), np.uint8)
    for i, frame in enumerate(frames):
        frame[10:26, 4 + 3 * i : 20 + 3 * i] = (220, 60, 30)
    return frames


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.create(method=METHOD, model="dinov2_test")


@pytest.fixture(scope="module")
def clip():
    return square_on_its_way()


@pytest.fixture(scope="module")
def tree(clip, segmenter):
    return segment_frames(ArrayFrames(list(clip), title="square"), segmenter)


def test_a_region_follows_what_moves(clip, tree):
    labels = tree.cut(num_regions=2)
    square = clip[..., 0] > 128
    missed = (labels == 2) != square
    assert (missed.sum((1, 2)) <= 4).all()  # its corners
    row = {name: tree.tubes[name][2] for name in ("first", "last", "frames", "area")}
    assert row == {"first": 0, "last": 3, "frames": 4, "area": (labels == 2).sum()}


def test_every_frame_has_the_nodes_of_the_clip(tree):
    assert len(tree) == 4
    one = tree.frame(2)
    assert (one.cut(num_regions=2) == tree.cut(num_regions=2)[2]).all()
    assert (tree.frame_areas[:, 2] == one.areas()[: int(one.num_nodes)]).all()


def test_a_folder_an_array_and_a_list_are_the_same_clip(tmp_path, clip, tree):
    paths = [tmp_path / f"f{i}.png" for i in range(len(clip))]
    for path, frame in zip(paths, clip, strict=True):
        Image.fromarray(frame).save(path)
    for given in (tmp_path, clip, paths):
        found = uhseg_jax.segment_video(given, method=METHOD, model="dinov2_test")
        assert (found.tree.labels == tree.tree.labels).all()
    assert uhseg_jax.video.open_clip(tmp_path).name(3) == "f3"


def test_it_goes_on_from_the_frames_that_were_kept(tmp_path, clip, segmenter, tree):
    class Stopped(ArrayFrames):
        def frames(self, start=0):
            yield from list(super().frames(start))[: 2 - start]
            raise KeyboardInterrupt

    parts = Parts(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        segment_frames(Stopped(list(clip)), segmenter, parts=parts)
    kept = sum(parts.has(f"frame-{i:06d}") for i in range(4))
    assert kept == 1  # the second was with the devices
    done = []
    found = segment_frames(
        ArrayFrames(list(clip)), segmenter, parts=parts, on_frame=done.append
    )
    assert done == [1, 2, 3, 4]
    for name, values in vars(tree.tree).items():
        np.testing.assert_array_equal(vars(found.tree)[name], values)
