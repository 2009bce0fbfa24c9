"""What counts as a clip, and frames of one size."""

import numpy as np
import pytest
from PIL import Image

from uhseg_jax.video import ArrayFrames, FolderFrames, VideoError, open_clip


def grey(*size):
    return np.full((*size, 3), 128, np.uint8)


def save(path, image):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)


def test_frames_of_a_folder_come_in_natural_order(tmp_path):
    for i in (10, 9, 1):
        save(tmp_path / "c" / f"f{i}.png", grey(4, 5) + np.uint8(i))
    clip = open_clip(tmp_path / "c")
    assert (clip.title, clip.count) == ("c", 3)
    assert [clip.name(i) for i in range(3)] == ["f1", "f9", "f10"]
    assert [int(x[0, 0, 0]) for x in clip.checked(1)] == [137, 138]


def test_another_size_is_refused_by_the_name_of_the_frame(tmp_path):
    save(tmp_path / "f1.png", grey(4, 5))
    save(tmp_path / "f2.png", grey(4, 6))
    with pytest.raises(
        VideoError, match="frame f2 is 6 x 4 and those before are 5 x 4"
    ):
        list(FolderFrames.find(tmp_path).checked())
    with pytest.raises(
        VideoError, match="frame f1 is 5 x 4 and those before are 9 x 8"
    ):
        list(FolderFrames.find(tmp_path).checked(0, (8, 9)))


def test_a_damaged_frame_is_named(tmp_path):
    save(tmp_path / "f1.png", grey(4, 5))
    (tmp_path / "f2.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(VideoError, match=r"f2\.png"):
        list(open_clip(tmp_path).checked())


def test_frames_in_folders_below_are_not_mixed(tmp_path):
    save(tmp_path / "a" / "f1.png", grey(4, 5))
    save(tmp_path / "b" / "f1.png", grey(4, 5))
    with pytest.raises(VideoError, match="they lie deeper"):
        open_clip(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no frame")
    with pytest.raises(VideoError, match="without images"):
        open_clip(tmp_path)


def test_arrays_and_lists_are_clips():
    frames = np.stack([grey(4, 5)] * 3)
    for clip in (frames, frames[..., 0], list(frames), ArrayFrames(list(frames))):
        found = list(open_clip(clip).checked())
        assert [x.shape for x in found] == [(4, 5, 3)] * 3


@pytest.mark.parametrize(
    "clip", [grey(4, 5)[0], np.zeros((0, 4, 5, 3)), grey(4, 5), np.zeros((4, 5, 4))]
)
def test_other_arrays_are_refused_in_a_sentence(clip):
    with pytest.raises(VideoError, match="expected a"):
        open_clip(clip)
