import dataclasses
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from finished_runs import finished_run, saved, select
from PIL import Image

from uhseg_jax.cli import evaluate, export, segment
from uhseg_jax.cli.segment_flags import parse
from uhseg_jax.export import ExportOptions, Folder, open_formats
from uhseg_jax.hierarchy.tree import RegionTree

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def test_it_opens_with_one_line_for_each_job():
    main, tests = blocks("bash")
    for line in (main, tests):
        assert line.count("\n") == 1
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert "uhseg-segment" in main
    assert "pytest" in tests


def own_files(folder):
    """Writes the files that the README shows, each under the name it begins with."""
    for block in blocks("python"):
        if name := re.match(r"# (\w+\.py)\n", block):
            (folder / name[1]).write_text(block)


def test_the_commands_have_the_flags_they_are_shown_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_files(tmp_path)
    lines = [
        line.split("#")[0]
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("uhseg-segment")
    ]
    assert len(lines) >= 5
    for line in lines:
        values = parse(shlex.split(line))
        assert values.images or values.list


def own_commands():
    section = README.partition("## Your own")[2].partition("\n## ")[0]
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)
    lines = commands.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines]


def test_features_and_a_method_of_ones_own_from_the_text_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_files(tmp_path)
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for i, name in enumerate(("one", "two")):
        pixels = skimage.data.coffee()[i::8, i::8]
        Image.fromarray(pixels).save(f"photos/{name}.jpg")
        halves = np.arange(pixels.shape[1]) * 2 // pixels.shape[1] + 1
        mask = np.tile(halves.astype(np.uint8), (len(pixels), 1))
        Image.fromarray(mask).save(f"masks/{name}.png")
    python, _, mine, *_ = commands = own_commands()
    exec(Path(python[1]).read_text(), {})
    assert np.load("features/one.npy").shape == (36, 48, 3)
    assert segment.main(mine) == 0
    tree = RegionTree.load("mine/two.npz")
    assert tree.labels.shape == (50, 75)
    assert int(tree.num_nodes) == 9
    (scoring,) = (
        x for x in commands if x[0] == "uhseg-evaluate" and "--images" in x[1]
    )
    assert evaluate.main(scoring) == 0
    assert json.loads(Path("scores/mine/metrics.json").read_text())["images"] == 2


@pytest.mark.slow
@pytest.mark.weights
def test_what_is_ones_own_goes_with_what_is_ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_files(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.fromarray(skimage.data.coffee()[::8, ::8]).save("photos/one.jpg")
    Path("chosen.txt").write_text("photos/one.jpg\n")
    python, features, _, chosen, *_ = own_commands()
    exec(Path(python[1]).read_text(), {})
    for command in (features, chosen):
        assert segment.main(command) == 0
    ours = RegionTree.load("regions/one.npz")
    assert ours.labels.shape == (50, 75)
    assert int(ours.num_nodes) > 9
    assert int(RegionTree.load("chosen/photos/one.npz").num_nodes) == 7


def test_the_exports_of_finished_results_run(tmp_path, monkeypatch, capsys):
    _, out = finished_run(tmp_path)
    out.rename(tmp_path / "regions")
    selection = select(saved(tmp_path / "regions", "one"), ("dog", [1]), name="one.png")
    (tmp_path / "selection.json").write_text(json.dumps(selection))
    monkeypatch.chdir(tmp_path)
    lines = [
        shlex.split(line, comments=True)
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("uhseg-export") and "--labels" not in line
    ]
    assert len(lines) >= 7
    for line in lines:
        assert export.main(line) == 0, capsys.readouterr().err
    written = {x.parent.name for x in tmp_path.glob("*/export.json")}
    assert written >= {
        "exports",
        "dog",
        "cutouts",
        "table",
        "coco",
        "annotate",
        "davis",
    }


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


def test_the_example_of_similar_regions_runs(tmp_path, monkeypatch, capsys):
    described_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    (block,) = (x for x in blocks("python") if "similar_regions" in x)
    exec(block, {})
    lines = capsys.readouterr().out.splitlines()
    assert 1 <= len(lines) <= 5
    assert all(line.startswith("one ") for line in lines)


@pytest.mark.slow
@pytest.mark.weights
def test_the_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    described_run(tmp_path)
    Image.fromarray(skimage.data.coffee()[::4, ::4]).save("photo.jpg")
    rng = np.random.default_rng(0)
    namespace = {
        "batch": rng.normal(size=(2, 12, 12, 16)).astype(np.float32),
        "images": rng.integers(0, 256, (1, 28, 42, 3), np.uint8),
        "image": rng.integers(0, 256, (20, 30, 3), np.uint8),
        "squares": rng.integers(0, 256, (1, 64, 64, 3), np.uint8),
        "attention_map": rng.random((6, 6, 36)).astype(np.float32),
        "probabilities": rng.dirichlet(np.ones(3), (20, 30)).astype(np.float32),
    }
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    assert (tmp_path / "photo.npz").exists()
    assert namespace["cuts"].shape == (2, 12, 12)
    finest = namespace["maps"][max(namespace["maps"])]
    np.testing.assert_allclose(finest.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(namespace["marginals"].sum(axis=-1), 1, rtol=1e-5)
