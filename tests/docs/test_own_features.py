"""Features and a method of one's own, from the text of the documentation alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from documented import ROOT, commands, write_files
from PIL import Image

from uhseg_jax.cli import evaluate, segment
from uhseg_jax.hierarchy.tree import RegionTree

PAGE = ROOT / "docs" / "own" / "features.md"


def small_image(folder, name, offset=0):
    """A photograph of a few thousand pixels, as NAME.jpg of a folder."""
    folder.mkdir(exist_ok=True)
    pixels = skimage.data.coffee()[offset::8, offset::8]
    Image.fromarray(pixels).save(folder / f"{name}.jpg")
    return pixels


def test_features_and_a_method_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(PAGE, tmp_path)
    (tmp_path / "masks").mkdir()
    for offset, name in enumerate(("one", "two")):
        height, width, _ = small_image(tmp_path / "photos", name, offset).shape
        halves = np.arange(width) * 2 // width + 1
        mask = np.tile(halves.astype(np.uint8), (height, 1))
        Image.fromarray(mask).save(f"masks/{name}.png")
    exec(Path("save_features.py").read_text(), {})
    assert np.load("features/one.npy").shape == (36, 48, 3)
    _, mine, *_ = commands(PAGE, "uhseg-segment")
    assert segment.main(mine) == 0
    tree = RegionTree.load("mine/two.npz")
    assert tree.labels.shape == (50, 75)
    assert int(tree.num_nodes) == 9
    scoring, *_ = commands(PAGE, "uhseg-evaluate")
    assert evaluate.main(scoring) == 0
    assert json.loads(Path("scores/mine/metrics.json").read_text())["images"] == 2


@pytest.mark.slow
@pytest.mark.weights
def test_what_is_ones_own_goes_with_what_is_ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(PAGE, tmp_path)
    small_image(tmp_path / "photos", "one")
    Path("chosen.txt").write_text("photos/one.jpg\n")
    exec(Path("save_features.py").read_text(), {})
    features, _, chosen = commands(PAGE, "uhseg-segment")
    for command in (features, chosen):
        assert segment.main(command) == 0
    ours = RegionTree.load("regions/one.npz")
    assert ours.labels.shape == (50, 75)
    assert int(ours.num_nodes) > 9
    assert int(RegionTree.load("chosen/photos/one.npz").num_nodes) == 7
