"""The examples of the documentation run, from the text alone."""

import dataclasses
import json
import re

import numpy as np
import pytest
import skimage.data
from documented import PAGES, README, ROOT, blocks, commands
from finished_runs import finished_run, saved, select
from PIL import Image

import uhseg_jax
from uhseg_jax.cli import export
from uhseg_jax.export import ExportOptions, Folder, open_formats

DOCS = ROOT / "docs"
# Pages whose examples have tests of their own, with what they need.
APART = ("own",)


def with_python():
    pages = [x for x in PAGES if blocks(x, "python") and x.parent.name not in APART]
    return [str(x.relative_to(ROOT)) for x in pages]


def described_run(folder):
    """Results with descriptors, in "regions"."""
    _, out = finished_run(folder)
    with open_formats(["descriptors"], Folder(out), ExportOptions()) as writer:
        for seed, name in enumerate(("one", "sub/two")):
            features = np.random.default_rng(seed).normal(size=(4, 5, 6))
            result = saved(out, name)
            found = result.tree.describe(features)
            writer.add(dataclasses.replace(result, descriptors=found))
    out.rename(folder / "regions")


def given():
    """What examples take as given: arrays of the shapes that their comments say."""
    rng = np.random.default_rng(0)
    return {
        "features": rng.normal(size=(12, 12, 16)).astype(np.float32),
        "batch": rng.normal(size=(2, 12, 12, 16)).astype(np.float32),
        "images": rng.integers(0, 256, (1, 28, 42, 3), np.uint8),
        "image": rng.integers(0, 256, (20, 30, 3), np.uint8),
        "squares": rng.integers(0, 256, (1, 64, 64, 3), np.uint8),
        "attention_map": rng.random((6, 6, 36)).astype(np.float32),
        "probabilities": rng.dirichlet(np.ones(3), (20, 30)).astype(np.float32),
    }


def run_with_selection(folder, name):
    """Results in "regions", and a selection of one of them."""
    _, out = finished_run(folder)
    out.rename(folder / "regions")
    selection = select(saved(folder / "regions", "one"), ("dog", [1]), name="one.png")
    (folder / name).write_text(json.dumps(selection))


def test_the_recipes_run(tmp_path, monkeypatch, capsys):
    run_with_selection(tmp_path, "selection.json")
    monkeypatch.chdir(tmp_path)
    recipes = commands(DOCS / "use" / "recipes.md", "uhseg-export")
    assert len(recipes) >= 7
    for line in recipes:
        assert export.main(line) == 0, capsys.readouterr().err
    written = {x.parent.name for x in tmp_path.glob("*/export.json")}
    assert written >= {"exports", "dog", "cutouts", "table", "coco", "annotate"}
    assert "davis" in written


def test_the_exports_of_a_first_image_run(tmp_path, monkeypatch, capsys):
    run_with_selection(tmp_path, "photo.dog.selection.json")
    monkeypatch.chdir(tmp_path)
    for line in commands(DOCS / "start" / "first_image.md", "uhseg-export"):
        assert export.main(line) == 0, capsys.readouterr().err
    written = {x.parent.name for x in tmp_path.glob("*/export.json")}
    assert written == {"region_masks", "cutouts", "coco", "dog"}


def test_the_example_of_similar_regions_runs(tmp_path, monkeypatch, capsys):
    described_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(DOCS / "use" / "recipes.md", "python")
    exec(block, {})
    lines = capsys.readouterr().out.splitlines()
    assert 1 <= len(lines) <= 5
    assert all(line.startswith("one ") for line in lines)


def functions_of_jax(found):
    assert found["cuts"].shape == (2, 12, 12)
    np.testing.assert_allclose(found["marginals"].sum(axis=-1), 1, rtol=1e-5)


def backbones(found):
    finest = found["maps"][max(found["maps"])]
    np.testing.assert_allclose(finest.sum(axis=-1), 1, rtol=1e-5)


def first_image(found):
    assert found["regions"].labels().max() == len(found["regions"]) - 1


# What holds after the examples of a page, beyond that they run.
CLAIMS = {
    "docs/jax/functions.md": functions_of_jax,
    "docs/methods/backbones.md": backbones,
    "docs/start/first_image.md": first_image,
}


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("page", with_python())
def test_the_python_examples_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    described_run(tmp_path)
    Image.fromarray(skimage.data.coffee()[::4, ::4]).save("photo.jpg")
    examples = blocks(ROOT / page, "python")
    code = "\n".join(examples)
    namespace = given() | {"uhseg_jax": uhseg_jax}
    if re.search(r"\btree\b", code) and "tree = " not in code:
        namespace["tree"] = uhseg_jax.segment("photo.jpg")
    if re.search(r"\btrees\b", code) and "trees = " not in code:
        namespace["trees"] = uhseg_jax.segment_features(namespace["batch"])
    for block in examples:
        exec(compile(block, page, "exec"), namespace)
    CLAIMS.get(page, lambda found: None)(namespace)


def test_no_page_has_a_figure_left_to_fill_in():
    assert README in PAGES
    for page in PAGES:
        assert not re.search(r"MEASURED_|TODO|XXX", page.read_text()), page
