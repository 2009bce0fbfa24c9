"""Runs over clips: what is there afterwards, and going on where one was stopped."""

import json

import numpy as np
import pytest
from color_method import METHOD
from PIL import Image

from uhseg_jax.export.clips import ClipOptions
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs.clip_modes import Streaming, Whole
from uhseg_jax.runs.clips import find_run_clips
from uhseg_jax.runs.record import RunError
from uhseg_jax.runs.segment_clips import claim_clips, clip_settings, segment_clips
from uhseg_jax.video import FolderFrames, VideoError, VideoTree

FORMATS = ("npz", "davis", "ytvis", "html")


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.create(method=METHOD, model="dinov2_test")


def write_frames(folder, count, *, start=4):
    """A red square that goes to the right."""
    folder.mkdir(parents=True)
    for i in range(count):
        frame = np.full((36, 48, 3), (40, 90, 200), np.uint8)
        frame[10:26, start + 3 * i : start + 16 + 3 * i] = (220, 60, 30)
        Image.fromarray(frame).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A clip, two whose last frame is no image or a small one, and another."""
    folder = tmp_path_factory.mktemp("clips")
    write_frames(folder / "a", 5)
    (write_frames(folder / "b", 3) / "1.png").write_bytes(b"no image")
    write_frames(folder / "c", 3, start=9)
    Image.new("RGB", (40, 36)).save(write_frames(folder / "d", 3) / "2.png")
    return find_run_clips([folder])


def run(segmenter, clips, output, mode=None, **more):
    mode = mode or Whole()
    options = ClipOptions(2)
    if isinstance(mode, Streaming):
        options = ClipOptions(None, None)
    overwrite = more.pop("overwrite", False)
    settings = clip_settings(segmenter, mode)
    with claim_clips(
        output, settings, clips, formats=FORMATS, overwrite=overwrite
    ) as claimed:
        return segment_clips(
            segmenter, clips, claimed, mode, formats=FORMATS, options=options, **more
        )


def contents(folder):
    return {
        x.relative_to(folder).as_posix(): x.read_bytes()
        for x in folder.rglob("*.*")
        if x.is_file()
    }


@pytest.fixture(scope="module", params=[Whole(), Streaming(2, window=2)], ids=str)
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def finished(segmenter, clips, mode, tmp_path_factory):
    output = tmp_path_factory.mktemp("finished")
    return output, run(segmenter, clips, output, mode)


def test_a_clip_that_cannot_be_read_leaves_the_others(finished):
    output, report = finished
    assert (report.segmented, report.skipped) == (2, 0)
    unreadable, uneven = report.failures
    assert (unreadable.title, uneven.title) == ("b", "d")
    assert "1.png" in unreadable.reason
    assert "frame 2 is 40 x 36 and those before" in uneven.reason
    names = {x.split("/")[-1] for x in contents(output)}
    assert {"a.npz", "c.npz", "run.json", "ytvis.json", "index.html"} <= names
    assert "b.npz" not in names
    assert not (output / "davis/b").exists()
    assert not (output / ".parts").exists()


def test_files_show_the_same_square(finished):
    output, _ = finished
    tree = VideoTree.load(output / "a.npz")
    assert tree.names == ("0", "1", "2", "3", "4")
    tracks = json.loads((output / "ytvis.json").read_text())
    assert [x["name"] for x in tracks["videos"]] == ["a", "c"]
    for i in range(5):
        with Image.open(output / f"davis/a/{i}.png") as image:
            found = np.asarray(image)
        square = np.zeros((36, 48), bool)
        square[10:26, 4 + 3 * i : 20 + 3 * i] = True
        of_square = found[18, 12 + 3 * i]
        assert ((found == of_square) != square).sum() <= 4  # its corners
    assert len({x["video_id"] for x in tracks["annotations"]}) == 2


def test_clips_that_are_done_are_not_segmented_again(segmenter, finished, clips, mode):
    output, _ = finished
    before = {x: x.stat().st_mtime_ns for x in output.rglob("*.*") if x.is_file()}
    whole = {output / x for x in ("run.json", "ytvis.json", "index.html")}
    good = [x for x in clips if x.title not in ("b", "d")]
    seen = contents(output)
    report = run(
        segmenter, good, output, mode, on_frame=lambda clip, done: pytest.fail(clip)
    )
    assert (report.segmented, report.skipped) == (0, 2)
    after = {x: x.stat().st_mtime_ns for x in output.rglob("*.*") if x.is_file()}
    assert {x for x in after if after[x] != before[x]} <= whole
    assert contents(output) == seen


def test_a_run_goes_on_within_a_clip(
    segmenter, finished, clips, mode, tmp_path, monkeypatch
):
    class Stopped(BaseException):
        """As a kill: nothing catches it."""

    def stop(clip, done):
        if done == 4:
            raise Stopped

    good = [x for x in clips if x.title not in ("b", "d")]
    with pytest.raises(Stopped):
        run(segmenter, good, tmp_path, mode, on_frame=stop)
    assert not (tmp_path / "a.npz").exists()

    starts, frames = [], FolderFrames.frames

    def noted(self, start=0):
        starts.append(start)
        return frames(self, start)

    monkeypatch.setattr(FolderFrames, "frames", noted)
    report = run(segmenter, good, tmp_path, mode)
    assert report.segmented == 2
    # A stream begins with what the window shares in which it was stopped.
    assert starts[0] == (4 if mode == Whole() else 2)
    assert contents(tmp_path) == contents(finished[0])
    assert not (tmp_path / ".parts").exists()


def test_other_settings_are_refused_or_replace_what_is_there(
    segmenter, clips, tmp_path
):
    one = clips[:1]
    run(segmenter, one, tmp_path)
    (tmp_path / "davis/a/9.png").write_bytes((tmp_path / "davis/a/1.png").read_bytes())
    other = Streaming(2, window=3)
    with pytest.raises(RunError, match=r"clips\.mode whole there and streaming now"):
        run(segmenter, one, tmp_path, other)
    run(segmenter, one, tmp_path, other, overwrite=True)
    assert not (tmp_path / "davis/a/9.png").exists()  # it showed other regions
    assert VideoTree.load(tmp_path / "a.npz").tree.labels.shape == (5, 36, 48)


def test_a_changed_clip_is_segmented_again(segmenter, tmp_path):
    frames = write_frames(tmp_path / "a", 2)
    output = tmp_path / "out"
    run(segmenter, find_run_clips([frames]), output)
    (frames / "1.png").write_bytes((frames / "0.png").read_bytes())
    assert run(segmenter, find_run_clips([frames]), output).segmented == 1


def test_a_folder_is_a_clip_or_holds_clips(tmp_path):
    write_frames(tmp_path / "x" / "one", 1)
    write_frames(tmp_path / "x" / "two", 1)
    (tmp_path / "x" / "two.mp4").write_bytes(b"film")
    (tmp_path / "x" / "notes").mkdir()
    found = find_run_clips([tmp_path / "x"])
    assert [x.name for x in found] == ["one", "two", "two.mp4"]
    again = find_run_clips([tmp_path / "x" / "one", str(tmp_path / "x" / "o*")])
    assert [x.name for x in again] == ["one"]
    with pytest.raises(VideoError, match="found none in it"):
        find_run_clips([tmp_path / "x" / "notes"])
    with pytest.raises(VideoError, match="nothing is there"):
        find_run_clips([tmp_path / "gone.mp4"])


def test_a_folder_is_a_volume_or_holds_volumes(tmp_path):
    stack = [Image.new("L", (5, 4), i) for i in range(3)]
    for name in ("a.tif", "b.tif"):
        stack[0].save(tmp_path / name, save_all=True, append_images=stack[1:])
    (tmp_path / "b.nii.gz").write_bytes(b"scan")
    (tmp_path / "c.nii.gz").write_bytes(b"scan")
    (tmp_path / "c.tar.gz").write_bytes(b"no scan")
    (tmp_path / "c.npz").write_bytes(b"no scan")
    found = find_run_clips([tmp_path], volumes=True)
    assert [x.name for x in found] == ["a", "b.tif", "b.nii.gz", "c"]
    stack[0].save(tmp_path / "d.tif")
    with pytest.raises(VideoError, match=r"found both \(such as d\.tif and a\.tif\)"):
        find_run_clips([tmp_path], volumes=True)


def test_animations_are_clips_and_single_images_are_frames(tmp_path):
    frames = [Image.new("RGB", (5, 4), (80 * i, 0, 0)) for i in range(3)]
    for name in ("a.gif", "b.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    assert [x.name for x in find_run_clips([tmp_path])] == ["a", "b"]
    frames[0].save(tmp_path / "c.gif")
    with pytest.raises(VideoError, match=r"found both \(such as c\.gif and a\.gif\)"):
        find_run_clips([tmp_path])
    (tmp_path / "a.gif").unlink()
    (tmp_path / "b.gif").unlink()
    (clip,) = find_run_clips([tmp_path])
    assert clip.source == tmp_path


def test_clips_beside_frames_of_one_are_not_passed_over(tmp_path):
    folder = write_frames(tmp_path / "x", 1)
    (folder / ".a.mp4").write_bytes(b"hidden")
    assert [x.source for x in find_run_clips([folder])] == [folder]
    (folder / "a.mp4").write_bytes(b"film")
    with pytest.raises(VideoError, match=r"found both \(such as 0\.png and a\.mp4\)"):
        find_run_clips([folder])


def test_what_a_run_drew_is_no_clip(tmp_path):
    (tmp_path / "a.mkv").write_bytes(b"film")
    text = b"uhseg_jax {}"
    drawn = (8 + len(text)).to_bytes(4, "big") + b"moov" + text
    (tmp_path / "a.mp4").write_bytes(drawn)
    for spec in (tmp_path, str(tmp_path / "*.m*")):
        (clip,) = find_run_clips([spec])
        assert (clip.name, clip.source.name) == ("a", "a.mkv")
    (named,) = find_run_clips([tmp_path / "a.mp4"])
    assert named.source.name == "a.mp4"
    folder = write_frames(tmp_path / "x", 1)
    (folder / "x.mp4").write_bytes(drawn)
    assert [x.source for x in find_run_clips([folder])] == [folder]


def test_clips_of_one_name_do_not_share_files(tmp_path):
    for folder in ("x", "y"):
        write_frames(tmp_path / folder / "same", 1)
    first, second = find_run_clips([tmp_path / "x" / "same", tmp_path / "y" / "same"])
    assert not first.problem
    with pytest.raises(VideoError, match="different --output folders"):
        second.open()
