"""The drawings of an evaluation: the worst, the best, and small ones."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from shapes import MATCHED, Annotated, Shapes, contents, rows

from uhseg_jax.protocols import Scoring, gallery
from uhseg_jax.protocols.sheets import read_sheet
from uhseg_jax.runs.evaluate import evaluate
from uhseg_jax.runs.record import RunError

pytestmark = pytest.mark.usefixtures("few_resamples")


def test_the_worst_and_best_images_are_drawn(segmenter, whole, tmp_path):
    drawn = sorted(path.name for path in (whole / "images").iterdir())
    assert drawn == ["best-1.png", "best-2.png", "worst-1.png", "worst-2.png"]
    assert rows(whole)[3]["full/nmcovering"] == "nan"  # so that is not drawn
    with Image.open(whole / "images" / "worst-1.png") as sheet:
        assert sheet.width > 2 * 60  # image, ground truth and two levels
    again = shutil.copytree(whole, tmp_path / "again")
    best, worst = (again / "images" / f"{x}-1.png" for x in ("best", "worst"))
    (again / "images" / "best-2.png").unlink()
    best.write_bytes(best.read_bytes()[:-99])
    worst.write_bytes((again / "images" / "worst-2.png").read_bytes())  # of another
    evaluate(segmenter, Shapes(), again)
    assert contents(again) == contents(whole)


def test_scores_are_there_before_the_worst_and_best_are_drawn(
    segmenter, tmp_path, monkeypatch
):
    heard, titles, draw = [], [], gallery.overlay

    def on_scores(scores):
        assert json.loads((tmp_path / "metrics.json").read_bytes()) == scores
        assert not (tmp_path / "images").exists()
        heard.append("scores")

    def overlay(*args, title, **kwargs):
        titles.append(title)
        return draw(*args, title=title, **kwargs)

    def on_drawn(*progress):
        heard.append(progress)

    monkeypatch.setattr(gallery, "overlay", overlay)
    told = {"on_scores": on_scores, "on_drawn": on_drawn}
    evaluate(segmenter, Shapes(2), tmp_path, **told)
    score = "full/nmcovering"
    worst, best = sorted(rows(tmp_path), key=lambda row: float(row[score]))
    assert heard[0] == "scores"
    assert heard[1:] == [(0, 2, worst["name"]), (1, 2, best["name"]), (2, 2, "")]
    assert titles == [
        f"{row['name']}: {score} {float(row[score]):.3f}" for row in (worst, best)
    ]
    heard.clear()
    evaluate(segmenter, Shapes(2), tmp_path, **told | {"on_scores": heard.append})
    assert len(heard) == 1  # nothing is missing


def test_small_drawings_are_made_of_images_as_they_are_scored(
    segmenter, whole, tmp_path
):
    sheets = sorted((whole / "sheets").iterdir())
    assert [x.name for x in sheets] == [f"{i:06}.jpg" for i in range(5)]
    panels = read_sheet(sheets[0])
    assert list(panels)[:2] == ["Image", "Ground truth"]
    assert len(panels) > 2
    again, source = shutil.copytree(whole, tmp_path / "again"), Shapes()
    first, second, third = (again / "sheets" / x.name for x in sheets[:3])
    first.unlink()
    second.write_bytes(second.read_bytes()[:-99])
    third.write_bytes(sheets[3].read_bytes())  # of another
    evaluate(segmenter, source, again)
    assert contents(again) == contents(whole)
    assert source.reads == [0, 0, 1, 2]  # the first look tells how to score
    few = tmp_path / "few"
    evaluate(segmenter, Shapes(), few, drawings=2)
    assert sorted(x.name for x in (few / "sheets").iterdir()) == [
        *("000000.jpg", "000004.jpg")
    ]
    evaluate(segmenter, Shapes(), few, drawings=0)
    assert len(list((few / "sheets").iterdir())) == 2
    evaluate(segmenter, Shapes(), few, scoring=MATCHED, overwrite=True, drawings=1)
    assert [x.name for x in (few / "sheets").iterdir()] == ["000000.jpg"]


def test_scores_stand_without_small_drawings(segmenter, tmp_path):
    def get_in_the_way(*progress):
        if not (tmp_path / "sheets").exists():
            (tmp_path / "sheets").write_text("in the way")

    ours = Shapes(2)
    monkey = ours.fingerprint
    ours.fingerprint = lambda: (get_in_the_way(), monkey())[1]
    with pytest.raises(RunError, match=r"sheets.*: Not a directory"):
        evaluate(segmenter, ours, tmp_path)
    (tmp_path / "sheets").unlink()
    evaluate(segmenter, Shapes(2), tmp_path)
    assert len(list((tmp_path / "sheets").iterdir())) == 2


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_a_gallery_that_was_not_finished_is_completed(
    num_seeds, segmenter, tmp_path, monkeypatch
):
    scoring, draw, drawn = Scoring(num_seeds=num_seeds), gallery.overlay, []

    def overlay(*args, **kwargs):
        drawn.append(args)
        if len(drawn) == 2 * num_seeds:
            raise KeyboardInterrupt
        return draw(*args, **kwargs)

    def evaluated():
        return evaluate(segmenter, Shapes(2), tmp_path, scoring=scoring)

    monkeypatch.setattr(gallery, "overlay", overlay)
    with pytest.raises(KeyboardInterrupt):
        evaluated()
    tables = {p: p.read_bytes() for p in tmp_path.rglob("per_image.csv")}
    assert len(tables) == num_seeds
    evaluated()
    names = ["best-1.png", "worst-1.png"] * num_seeds
    assert sorted(x.name for x in tmp_path.rglob("*.png")) == sorted(names)
    assert len(list(tmp_path.rglob("sheets/*.jpg"))) == 2 * num_seeds
    assert len(drawn) == 2 * num_seeds + 1  # what was whole is not drawn again
    before = contents(tmp_path)
    evaluated()
    assert contents(tmp_path) == before
    assert len(drawn) == 2 * num_seeds + 1


def test_drawings_show_classes_and_what_does_not_count(segmenter, tmp_path, truths):
    evaluate(segmenter, Shapes(2), tmp_path / "classes")
    assert len(truths) == 2
    assert all(np.unique(truth).tolist() == [-1, 0, 1, 2] for truth in truths)
    truths.clear()
    evaluate(segmenter, Annotated(2), tmp_path / "regions")
    assert all(np.unique(truth).tolist() == [0, 1, 2, 255] for truth in truths)


def test_scores_stand_without_drawings(segmenter, tmp_path):
    def get_in_the_way(*progress):
        (tmp_path / "images").write_text("in the way")

    with pytest.raises(RunError, match=r"scores are complete .* could not be drawn"):
        evaluate(segmenter, Shapes(2), tmp_path, on_image=get_in_the_way)
    with pytest.raises(RunError, match=r"worst-1\.png: .*: Not a directory"):
        evaluate(segmenter, Shapes(2), tmp_path)
    scores = (tmp_path / "metrics.json").read_bytes()
    (tmp_path / "images").unlink()
    evaluate(segmenter, Shapes(2), tmp_path)
    assert (tmp_path / "metrics.json").read_bytes() == scores
    assert len(list((tmp_path / "images").iterdir())) == 2
