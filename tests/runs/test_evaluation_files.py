"""Whose the files in a folder of scores are, and what becomes of them."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from shapes import MATCHED, Shapes, assert_same_files, read_json, rows

from uhseg_jax.datasets.folder import FolderSource
from uhseg_jax.datasets.source import DatasetError
from uhseg_jax.files import sha256_of
from uhseg_jax.protocols import Scoring
from uhseg_jax.runs import bootstrap, hosts
from uhseg_jax.runs.evaluate import evaluate
from uhseg_jax.runs.record import RunError

pytestmark = pytest.mark.usefixtures("few_resamples")


def test_scores_of_other_settings_or_images_are_not_mixed(segmenter, tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for name in "012":
            Image.new("L", (60, 40)).save(tmp_path / folder / f"{name}.png")

    def evaluated(*names, **kwargs):
        source = FolderSource(tmp_path / "images", tmp_path / "masks", names=names)
        return evaluate(segmenter, source, tmp_path / "out", **kwargs)["images"]

    assert evaluated("0") == 1
    with pytest.raises(RunError, match="examples 1 there and 2 now; fingerprint"):
        evaluated("0", "1")
    with pytest.raises(RunError, match=r"settings .fingerprint .{64} there and"):
        evaluated("1")
    assert evaluated("1", "2", overwrite=True) == 2
    Image.new("L", (60, 40), 1).save(tmp_path / "masks" / "2.png")
    with pytest.raises(RunError, match="fingerprint"):
        evaluated("1", "2")


@pytest.mark.parametrize(
    ("name", "num_seeds"),
    [
        *(("images-0.jsonl", 1), ("metrics.json", 1), ("per_image.csv", 1)),
        *(("images/worst-1.png", 1), ("metrics.json", 2), ("seed-1/metrics.json", 2)),
        *(("bootstrap.npz", 1), ("curves.json", 1), ("sheets/000001.jpg", 1)),
    ],
)
def test_files_that_no_evaluation_wrote_stop_it_before_any_work(
    name, num_seeds, segmenter, tmp_path
):
    source, scoring = Shapes(2), Scoring(num_seeds=num_seeds)
    theirs = tmp_path / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("{}\n")
    with pytest.raises(RunError, match=rf"{name}: the file is there, but no run"):
        evaluate(segmenter, source, tmp_path, scoring=scoring)
    assert source.reads == []
    assert theirs.read_text() == "{}\n"
    kwargs = {"scoring": scoring, "overwrite": True}
    assert evaluate(segmenter, source, tmp_path, **kwargs)["images"] == 2
    assert theirs.read_bytes() != b"{}\n"


@pytest.mark.parametrize("name", ["metrics.json", "images-0.jsonl", "run.json"])
def test_folders_of_the_names_of_results_stop_it_before_any_work(
    name, segmenter, tmp_path
):
    (tmp_path / name).mkdir()
    for overwrite in (False, True):
        source = Shapes(2)
        with pytest.raises(RunError, match=rf"{name}: .* this is a folder"):
            evaluate(segmenter, source, tmp_path, overwrite=overwrite)
        assert source.reads == []


def test_files_that_are_none_of_ours_are_neither_read_nor_deleted(
    segmenter, whole, tmp_path
):
    ours = shutil.copytree(whole, tmp_path / "ours")
    theirs = [ours / "images-train.jsonl", ours / "images" / "mine.png"]
    theirs += [ours / "seed-7" / "metrics.json", ours / "images-1.jsonl"]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}\n")
    copies = {
        ours / "images-20250101.jsonl": (ours / "images-0.jsonl").read_bytes(),
        ours / "images" / "figure.png": (ours / "images" / "best-1.png").read_bytes(),
        ours / "seed-7" / "images-0.jsonl": (ours / "images-0.jsonl").read_bytes(),
    }
    for path, content in copies.items():
        path.write_bytes(content)
    notes = []
    evaluate(segmenter, Shapes(), ours, on_note=notes.append)
    kwargs = {"scoring": MATCHED, "overwrite": True}
    with pytest.raises(DatasetError):
        evaluate(segmenter, Shapes(fails_at=0), ours, **kwargs)
    assert notes == []
    assert all(path.read_text() == "{}\n" for path in theirs)
    assert all(path.read_bytes() == content for path, content in copies.items())
    left = {x for x in ours.rglob("*") if x.is_file()} - {*theirs, *copies}
    # What was ours went before the new settings came into force.
    assert {x.name for x in left} == {"run.json", "images-0.jsonl"}
    assert (ours / "images-0.jsonl").read_bytes() == b""


def test_damaged_scores_are_told_and_found_again(segmenter, whole, tmp_path):
    ours, notes = shutil.copytree(whole, tmp_path / "ours"), []
    journal = ours / "images-0.jsonl"
    lines = journal.read_bytes().replace(b"shape 1", b"shape\xff1")
    journal.write_bytes(lines.replace(b'"index": 3', b'"index": 4'))
    source = Shapes()
    evaluate(segmenter, source, ours, on_note=notes.append)
    assert_same_files(ours, whole)
    assert {1, 3} <= {*source.reads}
    assert len(notes) == 1
    assert f"{journal}: 2 lines are damaged" in notes[0]


def test_images_are_resampled_again_only_where_that_is_missing(
    segmenter, whole, tmp_path, monkeypatch
):
    ours, made = shutil.copytree(whole, tmp_path / "ours"), []
    resample = bootstrap.resample

    def counted(*args, **kwargs):
        made.append(args)
        return resample(*args, **kwargs)

    monkeypatch.setattr(bootstrap, "resample", counted)
    evaluate(segmenter, Shapes(), ours)
    assert made == []
    (ours / "bootstrap.npz").unlink()
    evaluate(segmenter, Shapes(), ours)
    assert len(made) == 1
    evaluate(segmenter, Shapes(), ours, overwrite=True)
    assert len(made) == 2
    assert_same_files(ours, whole)


def test_tables_of_earlier_versions_go_if_they_are_recorded(segmenter, whole, tmp_path):
    for is_recorded in (True, False):
        ours = shutil.copytree(whole, tmp_path / str(is_recorded))
        path, record = ours / "leave_one_out.csv", read_json(ours / "run.json")
        path.write_text("name\n")
        if is_recorded:
            record["files"][path.name] = [sha256_of(path)]
            (ours / "run.json").write_text(json.dumps(record))
        evaluate(segmenter, Shapes(), ours)
        assert path.exists()  # nothing is made anew
        evaluate(segmenter, Shapes(), ours, overwrite=True)
        assert path.exists() != is_recorded


def test_two_evaluations_at_once_are_refused(segmenter, tmp_path):
    errors = []

    def again(*progress):
        for kwargs in ({}, {"scoring": MATCHED}, {"overwrite": True}):
            with pytest.raises(RunError) as caught:
                evaluate(segmenter, Shapes(2), tmp_path, **kwargs)
            errors.append(str(caught.value))

    evaluate(segmenter, Shapes(2), tmp_path, on_image=again)
    assert "images-0.jsonl: another evaluation scores into this folder" in errors[0]
    assert "with other settings (scoring." in errors[1]
    assert "another run works in this folder; wait" in errors[2]
    assert len(rows(tmp_path)) == 2


def test_overwriting_forgets_the_scores_of_every_process(
    segmenter, tmp_path, monkeypatch
):
    monkeypatch.setattr(hosts, "index", lambda: 1)
    monkeypatch.setattr(hosts, "count", lambda: 2)
    monkeypatch.setattr(hosts, "gather", lambda words: np.stack([words, words]))
    read = []
    for overwrite in (False, True):
        source = Shapes(2)  # the second process has a folder of its own
        evaluate(segmenter, source, tmp_path, overwrite=overwrite)
        read.append(source.reads)
    assert read[0] == read[1]
    assert [x.name for x in tmp_path.glob("*.jsonl")] == ["images-1.jsonl"]
