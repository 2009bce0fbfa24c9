"""What cannot be taken for a result, or has no image, is told in one sentence."""

import numpy as np
import pytest
from finished_runs import finished_run, with_categories
from small_runs import photograph
from trees import random_tree

from uhseg_jax.export import ExportOptions, Folder, open_formats
from uhseg_jax.export.npz import look_up
from uhseg_jax.images import ImageError
from uhseg_jax.runs import results
from uhseg_jax.runs.export import export_results, open_for
from uhseg_jax.runs.record import RunError
from uhseg_jax.runs.results import find_results


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path)


def test_files_of_others_are_never_said_to_be_deleted(run):
    photos, _ = run
    tree = random_tree(0, height=24, width=32)
    np.savez(photos / "mine.npz", labels=tree.labels, parents=tree.parents)
    (photos / "text.npz").write_text("mine")
    for name, sentence in (
        ("one.png", "but this is a file of another kind"),
        ("mine.npz", "but the file holds something else"),
        ("text.npz", "damaged or something else; leave it out"),
    ):
        with pytest.raises(RunError, match=sentence) as raised:
            find_results([photos / name])
        assert "delete" not in str(raised.value)


def test_an_image_with_other_bytes_is_named_once(run):
    photos, out = run
    photograph(photos / "one.png", seed=9, size=(32, 24))
    one, *_ = find_results([out], images=photos).results
    with pytest.raises(ImageError) as raised:
        one.read(pixels=True)
    assert str(raised.value).count(str(photos / "one.png")) == 1
    assert "has other bytes" in str(raised.value)
    photograph(photos / "away/one.png", seed=8, size=(32, 24))
    one, *_ = find_results([out], images=photos / "away").results
    with pytest.raises(ImageError, match=r"one\.png and .*one\.png have other bytes"):
        one.read(pixels=True)


def test_a_tree_that_cannot_be_read_is_said_and_others_come_out(run, tmp_path):
    _, out = run
    found = find_results([out]).results
    (out / "one.npz").unlink()
    with open_for(found, tmp_path / "exports", ["labels"]) as folder:
        report = export_results(found, folder, ["labels"], ExportOptions())
    assert report.exported == 2
    reason = f"{out / 'one.npz'}: cannot be read (No such file or directory)."
    assert report.failures == (("one.png", reason),)


def test_what_the_search_cannot_read_is_one_sentence(run, monkeypatch):
    _, out = run

    def unreadable(path):
        if path.name == "one.npz":
            raise PermissionError(13, "Permission denied", str(path))
        return look_up(path)

    monkeypatch.setattr(results, "look_up", unreadable)
    found = find_results([out])
    assert found.problems == (
        f"{out / 'one.npz'}: cannot be read (Permission denied).",
    )
    assert len(found.results) == 2
    with pytest.raises(RunError, match="but there is no such file"):
        find_results(["x" * 300])


def test_a_damaged_image_hides_none_at_another_place(run, tmp_path):
    photos, out = run
    (tmp_path / "away").mkdir()
    (tmp_path / "away/one.png").write_bytes(b"damaged")
    one, *_ = find_results([out], images=tmp_path / "away").results
    assert one.read(pixels=True).image is not None
    (photos / "one.png").unlink()
    with pytest.raises(ImageError, match=r"away/one\.png"):
        one.read(pixels=True)


def test_the_categories_of_a_run_are_those_of_each_of_its_results(run):
    _, out = run
    with open_formats(["npz"], Folder(out), ExportOptions()) as writer:
        for count, found in zip((2, 4, 3), find_results([out]).results, strict=True):
            writer.add(with_categories(found.read(pixels=False), count))
    assert find_results([out]).num_categories == 4
    assert find_results([out / "one.npz"]).num_categories == 4
    assert find_results([out / "sub"]).num_categories == 4
