"""Clips in files, as FFmpeg writes them."""

import numpy as np
import pytest

from uhseg_jax import optional
from uhseg_jax.video import VideoError, open_clip

pytestmark = pytest.mark.readers


@pytest.fixture(scope="module")
def av():
    return pytest.importorskip("av", reason="no PyAV: pip install '.[readers]'")


def corner_frames(count=5, size=(32, 48), alpha=None):
    """Grey, with a red corner above left; brighter from frame to frame."""
    frames = np.full((count, *size, 3), 60, np.uint8)
    frames += 20 * np.arange(count, dtype=np.uint8)[:, None, None, None]
    frames[:, : size[0] // 2, : size[1] // 2] = (220, 20, 20)
    if alpha is None:
        return frames
    values = np.full((*frames.shape[:3], 1), alpha, np.uint8)
    return np.concatenate([frames, values], axis=-1)


def write(av, path, frames, codec="libx264", pixels="yuv420p", **more):
    options = {"movflags": "faststart"} if more.pop("faststart", False) else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=more.pop("rate", 12))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        if "degrees" in more:
            stream.set_display_rotation(more["degrees"])
        kind = "rgba" if frames.shape[-1] == 4 else "rgb24"
        for i, frame in enumerate(frames):
            given = av.VideoFrame.from_ndarray(frame, format=kind)
            if "times" in more:
                given.pts = more["times"][i]
            container.mux(stream.encode(given))
        container.mux(stream.encode())
    return path


def is_like(found, wanted):
    """Whether most pixels are nearly the same; codecs blur edges of colours."""
    apart = np.abs(found.astype(int) - wanted).max(axis=-1)
    return found.shape == wanted.shape and np.quantile(apart, 0.75) < 12


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("clip.mp4", "libx264", "yuv420p"),
        ("clip.mkv", "ffv1", "yuv420p10le"),
        ("clip.webm", "libvpx-vp9", "yuv420p"),
        ("clip.avi", "mpeg4", "yuv420p"),
    ],
)
def test_frames_come_in_their_order(av, tmp_path, name, codec, pixels):
    frames = corner_frames()
    clip = open_clip(write(av, tmp_path / name, frames, codec, pixels))
    found = list(clip.checked())
    assert len(found) == len(frames)
    assert all(map(is_like, found, frames))
    assert (clip.title, clip.rate) == ("clip", 12)
    assert clip.count in (5, None)
    (last,) = clip.checked(4)
    np.testing.assert_array_equal(last, found[4])


def test_one_frame_is_a_clip_too(av, tmp_path):
    clip = open_clip(write(av, tmp_path / "one.mp4", corner_frames(1)))
    assert len(list(clip.checked())) == 1


def test_of_a_rate_that_varies_every_frame_counts_once(av, tmp_path):
    path = write(av, tmp_path / "v.mkv", corner_frames(), times=[0, 1, 7, 8, 20])
    assert len(list(open_clip(path).checked())) == 5


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_frames_stand_upright(av, tmp_path, degrees):
    path = write(av, tmp_path / "held.mp4", corner_frames(), degrees=degrees)
    wanted = np.rot90(corner_frames(), degrees // 90, axes=(1, 2))
    assert all(map(is_like, open_clip(path).checked(), wanted))


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.mov", "qtrle", "argb"), ("a.webm", "libvpx-vp9", "yuva420p")],
)
def test_what_is_transparent_is_over_white(av, tmp_path, name, codec, pixels):
    frames = corner_frames(alpha=102)
    path = write(av, tmp_path / name, frames, codec, pixels)
    wanted = 0.4 * frames[..., :3] + 0.6 * 255
    assert all(map(is_like, open_clip(path).checked(), wanted))


def test_a_clip_cut_short_is_refused_or_ends_early(av, tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, 64, 64, 3)).astype(np.uint8)
    whole = write(av, tmp_path / "whole.mp4", noise).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoError, match="intact copy"):
        open_clip(cut)
    whole = write(av, tmp_path / "whole.mkv", noise).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    assert 3 < len(list(open_clip(cut).checked())) < 20


def test_a_clip_damaged_on_the_way_says_which_frame(av, tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, 64, 64, 3)).astype(np.uint8)
    path = write(av, tmp_path / "damaged.mov", noise, "mjpeg", "yuvj420p")
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = bytes(third)
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"frame \d+ cannot be decoded .* first \d"):
        list(open_clip(path).checked())


def test_other_files_are_refused_in_a_sentence(av, tmp_path):
    (tmp_path / "text.mp4").write_text("no clip\n" * 100)
    with pytest.raises(VideoError, match="none that FFmpeg can open"):
        open_clip(tmp_path / "text.mp4")
    (tmp_path / "list.txt").write_text("ffconcat version 1.0\nfile a.ts\n")
    with pytest.raises(VideoError):
        open_clip(tmp_path / "list.txt")
    from PIL import Image

    Image.new("RGB", (9, 9)).save(tmp_path / "one.png")
    with pytest.raises(VideoError, match=r"this is one image; give the folder"):
        open_clip(tmp_path / "one.png")
    with pytest.raises(VideoError, match="there is no such file or folder"):
        open_clip(tmp_path / "none.mp4")


def test_without_the_package_the_sentence_says_how_to_get_it(monkeypatch, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"anything")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(optional.MissingPackageError, match=r"uhseg_jax\[video\]"):
        open_clip(tmp_path / "clip.mp4")


def test_a_clip_whose_index_is_in_front_is_refused_where_it_breaks_off(av, tmp_path):
    whole = write(av, tmp_path / "whole.mp4", corner_frames(10), faststart=True)
    content = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: int(0.75 * len(content))])
    assert len(list(open_clip(whole).checked())) == 10
    with pytest.raises(VideoError, match=r"expected at least [\d,]+ bytes"):
        open_clip(cut)
