"""Folders of exports: what is there stays until what takes its place is whole."""

import errno
import json
import subprocess
import sys

import pytest
from export_command import NAMES, export, files, labels
from finished_runs import finished_run

from uhseg_jax.export.region_table import _TableWriter as CsvWriter
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.locks import FileLock

pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@pytest.fixture
def run(tmp_path):
    """The results of a run; photographs lie beside them."""
    _, out = finished_run(tmp_path)
    return out


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exports"


def test_an_export_of_nothing_is_none(run, out, capsys):
    photos = run.parent / "photos"
    photos.rename(run.parent / "away")
    flags = ("--format=png,coco,yolo,html", "--num_regions=4")
    assert export(run, *flags, output=out) == 1
    assert files(out) == []
    away = f"--images={run.parent / 'away'}"
    assert export(run, *flags, away, output=out) == 0
    before = {x: (out / x).read_bytes() for x in files(out)}
    # Nor does it take the place of one that is there.
    assert export(run, "--format=png,csv", "--overwrite", output=out) == 1
    assert {x: (out / x).read_bytes() for x in files(out)} == before
    assert export(run, "--format=labels", "--overwrite", output=out) == 0
    assert files(out) == ["export.json", *(f"{x}.labels.png" for x in NAMES)]


def test_an_export_stays_until_the_one_that_takes_its_place_is_whole(
    run, out, capsys, monkeypatch
):
    assert export(run, "--format=png,labels", output=out) == 0
    before = files(out)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CsvWriter, "put", interrupted)
        assert export(run, "--format=labels,csv", "--overwrite", output=out) == 130
    assert set(before) <= set(files(out))
    assert export(run, "--format=labels", output=out) == 1
    assert "was begun there and interrupted" in capsys.readouterr().err
    (run.parent / "photos").rename(run.parent / "away")
    assert export(run, "--format=png", "--overwrite", output=out) == 1
    assert export(run, "--format=coco", "--overwrite", output=out) == 0
    assert files(out) == ["coco.json", "export.json"]


def test_a_disk_that_is_full_is_said_to_begin_anew(run, out, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device", "regions.csv")

    with monkeypatch.context() as patched:
        patched.setattr(CsvWriter, "put", full)
        assert export(run, "--format=labels,csv", output=out) == 1
    said = capsys.readouterr().err
    assert "Free some space, or give another --output" in said
    assert "the export begins anew with --overwrite" in said
    assert "goes on" not in said
    assert export(run, "--format=labels,csv", "--overwrite", output=out) == 0


def test_nothing_that_is_there_is_replaced_unless_it_is_said(run, out, capsys):
    out.mkdir()
    (out / "one.labels.png").write_text("mine")
    assert export(run, "--format=labels", output=out) == 1
    assert f"{out / 'one.labels.png'}: the file is there" in capsys.readouterr().err
    assert files(out) == ["one.labels.png"]
    assert export(run, "--format=labels", "--overwrite", output=out) == 0
    assert (out / "one.labels.png").read_bytes() != b"mine"


def test_an_export_is_replaced_as_a_whole(run, out, capsys):
    assert export(run, "--format=labels,coco", output=out) == 0
    before = files(out)
    assert export(run, "--format=labels", output=out) == 1
    assert "an export is there; give another --output" in capsys.readouterr().err
    assert files(out) == before
    (out / "sub/two.labels.png").write_text("corrected by hand")
    (out / "notes.txt").touch()
    one = run / "one.npz"
    assert export(one, "--format=labels", "--overwrite", output=out) == 0
    assert files(out) == [
        *("export.json", "notes.txt", "one.labels.png", "sub/two.labels.png"),
    ]
    assert not (out / "sub/deep").exists()
    assert (out / "sub/two.labels.png").read_text() == "corrected by hand"


def test_export_json_says_what_was_exported(run, out):
    flags = ("--format=labels,coco", "--cost=0.5", "--min_area=0.01")
    assert export(run, *flags, "--no_background", output=out) == 0
    said = json.loads((out / "export.json").read_text())
    assert said["formats"] == ["labels", "coco"]
    assert (said["regions"]["cost"], said["regions"]["min_area"]) == (0.5, 0.01)
    assert said["regions"]["background"] is False
    assert said["results"] == [str(run)]
    assert (said["images"], said["failures"]) == (3, [])
    assert sorted([*said["files"], "export.json"]) == files(out)


def test_what_is_killed_leaves_whole_files_that_are_known_later(run, out, capsys):
    code = (
        "import os, sys\n"
        "from uhseg_jax.cli import export\n"
        "from uhseg_jax.runs import export_folder\n"
        "digest, count = export_folder.sha256_of, []\n"
        "def sha256_of(path):\n"
        "    count.append(path)\n"
        "    return os._exit(9) if len(count) > 2 else digest(path)\n"
        "export_folder.sha256_of = sha256_of\n"
        "export.main(sys.argv)"
    )
    command = [sys.executable, "-c", code, str(run), "--format=labels"]
    killed = subprocess.run([*command, f"--output={out}"], capture_output=True)
    assert killed.returncode == 9
    assert labels(out / "one.labels.png").size
    assert len([x for x in files(out) if x.endswith("labels.png")]) == 2
    assert export(run, "--format=coco", output=out) == 1
    assert "was begun there and interrupted" in capsys.readouterr().err
    assert export(run, "--format=coco", "--overwrite", output=out) == 0
    assert files(out) == ["coco.json", "export.json"]


def test_two_exports_do_not_write_to_one_folder(run, out, capsys):
    out.mkdir()
    lock = FileLock(out / ".run.lock")
    assert lock.try_alone()
    assert export(run, "--format=labels", output=out) == 1
    assert "another command writes to this folder" in capsys.readouterr().err
    lock.close()
    assert export(run, "--format=labels", output=out) == 0


def test_images_and_results_are_never_written_over(run, out, capsys):
    photos = run.parent / "photos"
    before = {p: p.read_bytes() for p in photos.rglob("*.*")}
    for flags in ((), ("--overwrite",)):
        assert export(run, "--format=png", *flags, output=photos) == 1
        said = capsys.readouterr().err
        assert "one.png: it would replace the image" in said
        assert export(run, "--format=png", *flags, output=run) == 1
        assert "for the exports alone, but trees are there" in capsys.readouterr().err
        assert export(run / "sub", "--format=png", *flags, output=run) == 1
        assert "the results of a run are there" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in photos.rglob("*.*")} == before


def test_trees_lie_in_no_export(run, tmp_path, capsys):
    trees = tmp_path / "trees"
    (trees / "below").mkdir(parents=True)
    for name in ("a.npz", "below/b.npz"):
        RegionTree.load(run / "one.npz").save(trees / name)
    before = files(trees)
    for folder in (trees, trees / "below"):
        for flags in ((), ("--overwrite",)):
            assert export(trees, "--format=masks", *flags, output=folder) == 1
            assert "for the exports alone, but trees" in capsys.readouterr().err
    assert files(trees) == before
