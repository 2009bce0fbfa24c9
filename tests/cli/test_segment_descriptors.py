"""Descriptors of regions, as runs write them."""

from pathlib import Path

import numpy as np
import pytest
from segment_command import NAMES, TITLES, contents, segment, times
from small_runs import CONFIG

import uhseg_jax
from uhseg_jax import DescribedTree
from uhseg_jax.cli import export
from uhseg_jax.cli.segment import main
from uhseg_jax.images import read_image
from uhseg_jax.pipeline import Segmenter

BOTH = "--format=npz,descriptors,html"


@pytest.fixture
def no_new_trees(monkeypatch):
    def fails(*args, **kwargs):
        raise AssertionError("a tree was made")

    monkeypatch.setattr(Segmenter, "segment", fails)


@pytest.fixture
def described(done, photos, no_new_trees):
    """A run whose trees were there, with descriptors."""
    out = done / "out"
    before = times(out, ".npz")
    assert segment(photos, BOTH, output=out) == 0
    assert before.items() <= times(out, ".npz").items()
    return out


def test_descriptors_are_means_of_the_features_of_the_method(described, photos):
    segmenter = Segmenter.create(
        method="recursive_spectral", model="dinov2_test", config=CONFIG
    )
    for name, title in zip(NAMES, TITLES, strict=True):
        (features, *_) = segmenter.features([read_image(photos / title)])
        found = DescribedTree.load(described / f"{name}.npz")
        wanted = found.tree.describe(features)
        np.testing.assert_allclose(found.descriptors, wanted, atol=2e-3)
    trees = [DescribedTree.load(described / f"{name}.npz") for name in NAMES]
    assert len(uhseg_jax.similar_regions(trees[0], 0, trees, k=3)) == 3


def test_a_run_that_makes_trees_writes_the_same(described, photos, out, monkeypatch):
    monkeypatch.undo()
    assert segment(photos, BOTH, output=out) == 0
    before = contents(described)
    for path, content in contents(out).items():
        if path.name != "run.json":
            assert before[path] == content


def test_damaged_and_foreign_descriptors_are_made_anew(described, photos):
    one, other = (described / f"{name}.descriptors.npz" for name in NAMES[:2])
    before, kept = contents(described), times(described, ".npz")
    one.write_bytes(one.read_bytes()[:200])
    other.write_bytes((described / f"{NAMES[2]}.descriptors.npz").read_bytes())
    assert segment(photos, BOTH, output=described) == 0
    del before[Path("run.json")]  # in which digests are of files before too
    assert before.items() <= contents(described).items()
    third = described / f"{NAMES[2]}.descriptors.npz"
    assert times(described, ".npz")[third] == kept[third]


def test_the_page_compares_regions_where_a_run_described_them(described, photos):
    page = (described / "index.html").read_text()
    assert 'id="similar-regions"' in page
    # They are there for later runs too.
    assert segment(photos, "--format=npz,html", output=described) == 0
    assert (described / "index.html").read_text() == page


def test_exports_of_a_described_run_compare_regions_too(described, tmp_path):
    arguments = ("--format=html,descriptors", f"--output={tmp_path / 'export'}")
    assert export.main(["uhseg-export", str(described), *arguments]) == 0
    page = (tmp_path / "export/index.html").read_text()
    assert 'id="similar-regions"' in page
    for name in NAMES:
        file = f"{name}.descriptors.npz"
        with (
            np.load(described / file) as one,
            np.load(tmp_path / "export" / file) as two,
        ):
            np.testing.assert_array_equal(one["descriptors"], two["descriptors"])


@pytest.mark.parametrize("method", ["diffusion_walk", "multilevel_clustering"])
def test_methods_without_features_of_regions_are_refused(photos, out, capsys, method):
    flags = ("--format=npz,descriptors", f"--output={out}", "--model=dinov2_test")
    argv = ["uhseg-segment", str(photos), f"--method={method}", *flags]
    assert main(argv) == 1
    assert f"does not go with --method={method}, which has" in capsys.readouterr().err
    assert not out.exists()
