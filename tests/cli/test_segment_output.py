"""What counts as done in an output folder, and whose the files there are."""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from segment_command import (
    TITLES,
    contents,
    files,
    labels,
    names_listed,
    segment,
    times,
    width,
)
from small_runs import photograph

from uhseg_jax import ahead
from uhseg_jax.backbones import Backbone
from uhseg_jax.runs import segment as runs_segment
from uhseg_jax.runs.claims import Claim, claim

# pycocotools
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


def test_a_second_run_does_nothing_again_but_covers_everything(done, photos, capsys):
    out = done / "out"
    before = times(out, ".npz", ".png")
    photograph(photos / "sub/four.png")
    assert segment(photos, output=out) == 0
    assert before.items() <= times(out).items()
    assert names_listed(out) == [*TITLES[:2], "sub/four.png", TITLES[2]]
    assert "1 segmented, 3 done before" in capsys.readouterr().out


def test_overwrite_does_all_again_with_the_same_result(done, photos):
    out = done / "out"
    results, before = contents(out), times(out)
    del before[out / "run.json"]  # the settings are in force already
    assert segment(photos, "--overwrite", output=out) == 0
    assert all(times(out)[path] > time for path, time in before.items())
    assert contents(out) == results


def test_other_settings_are_refused_in_the_same_folder(done, photos, capsys):
    out, other = done / "out", ("--refine=none", "--config.max_regions=50")
    before, fine = times(out), labels(done / "out/one.npz")
    assert segment(photos, *other, output=out) == 1
    sentence = capsys.readouterr().err
    assert "max_regions None there and 50 now" in sentence
    assert "refinement.refiners upsample there and none now" in sentence
    assert "--overwrite" in sentence
    assert times(out) == before
    other = other[:1]  # which needs no other program
    assert segment(photos / "one.png", *other, "--overwrite", output=out) == 0
    settings = json.loads((out / "run.json").read_text())
    assert settings["refinement"]["refiners"] == "none"
    assert labels(out / "one.npz").shape == fine.shape
    assert (labels(out / "one.npz") != fine).any()
    assert segment(photos, *other, output=out) == 0  # older results do not count
    assert "2 segmented, 1 done before" in capsys.readouterr().out


def test_other_levels_only_draw_again(done, photos, capsys):
    out = done / "out"
    trees, before = times(out, ".npz"), width(out / "one.png")
    assert segment(photos, "--levels=2,3,4,5", output=out) == 0
    assert trees.items() <= times(out).items()
    assert width(out / "one.png") != before
    assert "3 done before" in capsys.readouterr().out


def test_fewer_regions_are_another_view_of_the_same_trees(done, photos, capsys):
    out = done / "out"
    trees, before = times(out, ".npz"), (out / "one.png").read_bytes()
    assert segment(photos, "--max_regions=2", output=out) == 0
    assert "3 done before" in capsys.readouterr().out
    assert trees.items() <= times(out).items()
    assert (out / "one.png").read_bytes() != before  # 2 in place of 4, 8 and 16
    assert segment(photos, output=out) == 0
    assert (out / "one.png").read_bytes() == before


def test_finished_results_need_no_weights_and_no_program(done, photos, monkeypatch):
    def needed(*_):
        raise AssertionError("everything is there")

    monkeypatch.setattr(Backbone, "params", property(needed))
    monkeypatch.setattr(ahead, "begin", needed)
    out = done / "out"
    trees = times(out, ".npz")
    for flags in (
        (),
        ("--max_regions=3", "--levels=2", "--format=npz,colors,html"),
        ("--format=labels", "--max_regions=3"),
        ("--format=png", "--levels=2,3"),
    ):
        assert segment(photos, *flags, output=out) == 0
    assert times(out, ".npz") == trees
    assert (out / "one.labels.png").is_file()
    photograph(photos / "one.png", seed=9)
    with pytest.raises(AssertionError, match="everything is there"):
        segment(photos, output=out)


def test_a_bound_below_what_is_to_be_shown_is_told(done, photos, capsys):
    flags = ("--config.max_regions=9", "--max_regions=10")
    assert segment(photos, *flags, output=done / "out") == 1  # of other settings
    assert "the method finds at most 9 regions" in capsys.readouterr().err
    assert segment(photos, "--max_regions=0", output=done / "out") == 2


def test_one_output_folder_inside_the_images_or_among_them(photos, capsys):
    for output in (photos / "regions", photos):
        images = contents(photos)
        for _ in range(2):
            assert segment(photos, output=output) == 0
            assert names_listed(output) == TITLES
        after = contents(photos)
        assert all(after[x] == y for x, y in images.items())
        said = capsys.readouterr().out
        assert "3 segmented, 0 done" in said
        assert "0 segmented, 3 done" in said
        shutil.rmtree(photos / "regions", ignore_errors=True)


def test_a_run_cut_short_leaves_whole_files_and_is_taken_up(
    finished, out, monkeypatch, capsys
):
    write, calls = Claim.write, []

    @contextlib.contextmanager
    def interrupted_write(self, name, is_own=None):
        with write(self, name, is_own) as aside:
            if name.endswith(".npz"):
                calls.append(name)
                if len(calls) == 2:
                    raise KeyboardInterrupt
            yield aside

    monkeypatch.setattr(Claim, "write", interrupted_write)
    assert segment(finished / "photos", output=out) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert files(out) == ["one.npz", "one.png", "run.json", "sub/deep/three.png"]
    assert segment(finished / "photos", output=out) == 0
    assert "2 segmented, 1 done before" in capsys.readouterr().out
    assert contents(out) == contents(finished / "out")


def test_any_name_that_a_result_can_have_works(done, photos, capsys):
    out, longest = done / "out", ("x" * 251, "写" * 83, "run.json", "coco.json.npz")
    for name in longest:
        photograph(photos / f"{name}.png")
    assert segment(photos, output=out) == 0
    assert {f"{name}.npz" for name in longest} <= set(files(out))
    capsys.readouterr()
    assert segment(photos, "--format=npz,labels", output=out) == 1
    said = capsys.readouterr()
    assert said.err.count("the name is too long for a file") == 2
    assert "0 segmented, 5 done before, 2 failed" in said.out


@pytest.mark.parametrize("is_cut", [True, False])
def test_damaged_files_are_made_again(done, photos, is_cut):
    good = contents(done / "out")
    for suffix in (".png", ".npz"):  # each alone, for a new tree is drawn anew anyway
        damaged = [done / "out" / x for x in good if x.suffix == suffix]
        assert len(damaged) == 3
        for path in damaged:
            content = path.read_bytes()
            half = len(content) // 2
            # More than a header of a zip, of which some bytes mean nothing.
            altered = bytes(255 - x for x in content[half:][:100])
            altered += content[half + 100 :]
            path.write_bytes(content[:half] + (b"" if is_cut else altered))
        assert segment(photos, output=done / "out") == 0
        assert contents(done / "out") == good


def test_a_tree_is_of_the_very_bytes_of_its_image(done, photos, tmp_path, capsys):
    """Whatever the times say: images move, are copied, and come from other folders."""
    out = done / "out"
    long_ago, tomorrow = time.time() - 1e8, time.time() + 1e5

    def is_found_again(*images):
        capsys.readouterr()
        assert segment(*images, output=out) == 0
        return "0 segmented" in capsys.readouterr().out

    for now in (tomorrow, long_ago):
        os.utime(photos / "one.png", (now, now))
        os.utime(out / "one.npz", (long_ago, long_ago))
        assert is_found_again(photos)
    other = photograph(tmp_path / "old.png", seed=9, size=(40, 30))
    os.utime(other, (long_ago, long_ago))
    os.replace(other, photos / "one.png")
    assert not is_found_again(photos)
    before = labels(out / "one.npz"), (out / "one.png").read_bytes()
    assert is_found_again(photos)
    sequel = tmp_path / "sequel"  # other images of the same names and sizes
    for i, title in enumerate(TITLES):
        photograph(sequel / title, seed=20 + i, size=(40 + i, 30))
        os.utime(sequel / title, (long_ago, long_ago))
    assert not is_found_again(sequel)
    assert (labels(out / "one.npz") != before[0]).any()
    assert (out / "one.png").read_bytes() != before[1]
    assert is_found_again(sequel)


def test_files_of_the_user_stay_as_they_are(done, photos, capsys):
    out = done / "out"
    photograph(photos / "mine.jpg")
    with open(out / "mine.npz", "wb") as file:
        np.savez(file, labels=np.arange(3))
    mine = (out / "mine.npz").read_bytes()
    assert segment(photos, output=out) == 1
    said = capsys.readouterr()
    assert "0 segmented, 3 done before, 1 failed" in said.out
    assert f"{out / 'mine.npz'}: the file is there, but no run wrote it" in said.err
    assert (out / "mine.npz").read_bytes() == mine
    for name in ("coco.json", "index.html"):
        ours = (out / name).read_bytes()
        (out / name).write_bytes(ours + b"\n")  # corrected by hand
        before = times(out)
        for flag in ("--batch_size=1", "--join"):
            assert segment(photos, flag, output=out) == 1
            said = capsys.readouterr().err.splitlines()[-1]
            assert f"{out / name}: the file is there, but no run wrote it" in said
        assert times(out) == before
        (out / name).write_bytes(ours)
    (out / "index.html").write_text("mine")
    (out / "notes.npz").write_bytes(mine)
    assert segment(photos, "--overwrite", output=out) == 0
    assert labels(out / "mine.npz").shape == (30, 40)
    assert (out / "notes.npz").read_bytes() == mine


def test_images_that_can_have_no_result_fail_alone(
    finished, tmp_path, out, monkeypatch, capsys
):
    photos = shutil.copytree(finished / "photos", tmp_path / "photos")
    photograph(photos / "one.npz/a.png")
    names = ("coco.json/b.png", "RUN.json/c.png", ".run.lock/d.png", "gone.png")
    for name in names:
        photograph(photos / name)
    (out / "two.npz").mkdir(parents=True)
    photograph(photos / "two.jpg")
    describe = runs_segment.settings_of

    def settings_of(*args):
        (photos / "gone.png").unlink()
        return describe(*args)

    monkeypatch.setattr(runs_segment, "settings_of", settings_of)
    others = ("two.jpg", "one.npz/*", *names[:3])
    images = [photos / "sub", *map(photos.joinpath, ("one.png", "gone.png", *others))]
    images[1:] = [photos / "**" / x.relative_to(photos) for x in images[1:]]
    assert segment(*images, output=out) == 1
    said = capsys.readouterr()
    assert "3 segmented, 0 done before, 6 failed" in said.out
    for sentence in (
        "gone.png: there is no such file",
        f"{out / 'two.npz'}: expected a file of the run or nothing, but this is a fol",
        "one.png: its results would be called one.npz, as the folder",
        "in a folder coco.json, which is the name of a file of the run",
        "in a folder RUN.json, which",
        "in a folder .run.lock, which",
    ):
        assert said.err.count(sentence) == 1
    assert names_listed(out) == ["deep/three.png", "sub/two.jpg", "one.npz/a.png"]


def test_a_run_of_other_settings_cannot_begin_beside_one(done, photos, capsys):
    out = done / "out"
    settings = json.loads((out / "run.json").read_text())
    del settings["files"]
    before = times(out)
    with claim(out, settings):
        for flag in ("--overwrite", "--refine=none"):
            assert segment(photos, flag, output=out) == 1
            assert "another run works in this folder" in capsys.readouterr().err
            assert segment(photos, flag, "--shard=1/1", output=out) == (
                0 if flag == "--overwrite" else 1
            )
        assert segment(photos, output=out) == 0
    assert {p.name for p, t in times(out).items() if t != before.get(p)} == {
        *("one.npz", "one.png", "two.npz", "two.png", "three.npz", "three.png"),
        *("coco.json", "index.html"),
    }


def test_shards_joined_are_one_run_byte_for_byte(finished, out, capsys):
    photos = finished / "photos"
    for shard in (7, 2, 1, 3, 5, 4):  # in any order
        assert segment(photos, f"--shard={shard}/7", output=out) == 0
    assert {"coco.json", "index.html"}.isdisjoint(files(out))
    (out / "sub/two.npz").unlink()
    assert segment(photos, "--join", output=out) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "1 of 3 have none of these settings and these very images" in said
    assert "the first of them sub/two.jpg" in said
    assert not (out / "coco.json").exists()
    assert segment(photos, "--shard=3/7", output=out) == 0
    assert segment(photos, "--join", output=out) == 0
    assert "3 done before, 0 failed" in capsys.readouterr().out
    assert contents(out) == contents(finished / "out")


def test_shards_on_disks_of_their_own_are_joined_when_copied(finished, out, tmp_path):
    photos = finished / "photos"
    for shard in (1, 2):
        output = tmp_path / str(shard)
        assert segment(photos, f"--shard={shard}/2", output=output) == 0
        for path in output.rglob("*.*"):  # copies have other times
            (out / path.relative_to(output)).parent.mkdir(parents=True, exist_ok=True)
            (out / path.relative_to(output)).write_bytes(path.read_bytes())
    assert segment(photos, "--join", output=out) == 0
    assert contents(out) == contents(finished / "out")


def test_shards_and_their_joining_do_not_mix_settings(done, photos, tmp_path, capsys):
    before = times(done / "out")
    for flag in ("--shard=2/7", "--join"):
        assert segment(photos, flag, "--config.max_regions=3", output=done / "out") == 1
        assert "max_regions None there and 3 now" in capsys.readouterr().err
        assert segment(photos, flag, output=done / "out") == 0
    assert segment(photos, "--shard=1/3", "--overwrite", output=done / "out") == 0
    changed = {p.name for p, t in times(done / "out").items() if before[p] != t}
    # The results of other shards count after an overwriting one.
    assert changed == {"coco.json", "index.html", "one.npz", "one.png"}
    assert segment(photos, "--join", output=done / "out") == 0
    assert segment(photos, "--join", output=tmp_path / "empty") == 1
    assert "run the shards" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_sentence_that_names_the_file(
    photos, out, monkeypatch, capsys
):
    def write(path, content):
        is_npz = content.startswith(b"PK")
        with open("/dev/full" if is_npz else path, "wb") as file:
            file.write(content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write)
        assert segment(photos, output=out) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"{out / 'one.npz'}: " in message
    assert "No space left on device" in message
    assert segment(photos, output=out) == 0
