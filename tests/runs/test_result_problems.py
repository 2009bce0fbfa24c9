"""What cannot be taken for a result, or has no image, is told in one sentence."""

import numpy as np
import pytest
from finished_runs import finished_run, with_categories
from small_runs import photograph
from trees import random_tree

from uhseg_jax.export import ExportOptions, Folder, open_formats
from uhseg_jax.images import ImageError
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


def test_the_categories_of_a_run_are_those_of_each_of_its_results(run):
    _, out = run
    with open_formats(["npz"], Folder(out), ExportOptions()) as writer:
        for count, found in zip((2, 4, 3), find_results([out]).results, strict=True):
            writer.add(with_categories(found.read(pixels=False), count))
    assert find_results([out]).num_categories == 4
    assert find_results([out / "one.npz"]).num_categories == 4
    assert find_results([out / "sub"]).num_categories == 4
