"""What is one's own, from the text of the documentation alone."""

import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import skimage.data
from documented import ROOT, blocks, commands, write_files
from PIL import Image
from safetensors.numpy import save_file

import uhseg_jax
from uhseg_jax import backbones, datasets, own_code
from uhseg_jax.backbones import WeightsError
from uhseg_jax.cli import evaluate, segment
from uhseg_jax.datasets import DatasetError
from uhseg_jax.hierarchy.tree import RegionTree

OWN = ROOT / "docs" / "own"
METHOD, FEATURES, DATASET, BACKBONE = (
    OWN / f"{x}.md" for x in ("method", "features", "dataset", "backbone")
)
MODULES = ("spectral", "mine", "plants", "leaves", "arrays", "tiny", "conv")
# In place of a backbone with weights and of a method that compiles.
SMALL = ("--config.model=dinov2_test", "--config.method=rows.py:segment")
ROWS = "def segment(features):\n    return features[..., :1].argsort(1)[..., 0] > 0\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with the files of all pages, two photographs and masks of halves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for page in (METHOD, FEATURES, DATASET, BACKBONE):
        write_files(page, tmp_path)
    Path("rows.py").write_text(ROWS)
    for name in ("photos", "masks"):
        Path(name).mkdir()
    for offset, name in enumerate(("one", "two")):
        pixels = skimage.data.coffee()[offset::8, offset::8]
        Image.fromarray(pixels).save(f"photos/{name}.jpg")
        Image.fromarray(halves(pixels)).save(f"masks/{name}.png")
    Image.fromarray(pixels).save("photo.jpg")
    yield tmp_path
    own_code.forget()
    for name in MODULES:
        sys.modules.pop(name, None)


def halves(pixels):
    """Class 1 on the left, class 2 on the right."""
    height, width, _ = pixels.shape
    columns = np.arange(width) * 2 // width + 1
    return np.tile(columns.astype(np.uint8), (height, 1))


def command(page, name, number, *more):
    return [*commands(page, name)[number], *more]


def metrics(name):
    return json.loads(Path(name, "metrics.json").read_text())


def run_blocks(page, *containing, **given):
    """Runs the blocks of a page that hold one of these texts, one after the other."""
    for block in blocks(page, "python"):
        if any(x in block for x in containing):
            exec(compile(block, page.name, "exec"), given)
    return given


def test_a_spectral_method_of_thirty_lines_finds_nested_blocks():
    code = Path("spectral.py").read_text()
    assert len([x for x in code.splitlines() if x.strip()]) <= 31
    near = np.array([[1, 0.6], [0.6, 1]])
    corners = np.kron(np.eye(2), near)  # two pairs of directions, each pair near
    truth = np.kron([[0, 1], [2, 3]], np.ones((4, 5), int))
    noise = 0.01 * np.random.default_rng(0).normal(size=(8, 10, 4))
    method = uhseg_jax.methods.METHODS.find("spectral.py:segment")
    tree = uhseg_jax.segment_features(
        corners[truth] + noise, method=method, config=method.config(levels=(2, 4))
    )
    for count, wanted in ((2, truth // 2), (4, truth)):
        pairs = np.stack([tree.cut(num_regions=count), wanted]).reshape(2, -1)
        assert np.unique(pairs, axis=1).shape[1] == count


def test_a_method_runs_from_the_shell_and_from_python():
    coarse = command(METHOD, "uhseg-segment", 1, "--model=dinov2_test")
    assert segment.main(coarse) == 0
    tree = RegionTree.load("coarse/two.npz")
    assert tree.labels.shape == (50, 75)
    assert tree.cut(depth=1).max() <= 3
    mine = command(METHOD, "uhseg-segment", 3)
    exec(Path("save_features.py").read_text(), {})
    assert np.load("features/one.npy").shape == (36, 48, 3)
    assert segment.main(mine) == 0
    assert int(RegionTree.load("mine/two.npz").num_nodes) == 9
    assert evaluate.main(command(METHOD, "uhseg-evaluate", 2)) == 0
    assert metrics("scores/mine")["images"] == 2


def colored_leaves():
    """Two images of the split val as the builder of the page wants them."""
    split = Path("ORIGINAL_FILES/leaves/val")
    split.mkdir(parents=True)
    colors = np.array([[0, 0, 0], [0, 128, 0], [160, 82, 45], [9, 9, 9]], np.uint8)
    for path in sorted(Path("photos").glob("*.jpg")):
        pixels = np.asarray(Image.open(path))
        Image.fromarray(pixels).save(split / path.name)
        labels = halves(pixels)
        labels[0] = 3
        Image.fromarray(colors[labels]).save(split / f"{path.stem}_colors.png")
    (taxonomy,) = blocks(DATASET, "text")
    Path("leaves.txt").write_text(taxonomy)


def test_a_dataset_of_ones_own_is_prepared_and_scored(monkeypatch, capsys):
    colored_leaves()
    first = command(DATASET, "uhseg-evaluate", 3, *SMALL)
    assert evaluate.main(first) == 0, capsys.readouterr().err
    assert metrics("scores/leaves")["images"] == 2
    again = command(DATASET, "uhseg-evaluate", 4, *SMALL)
    assert evaluate.main(again) == 0
    found = run_blocks(DATASET, "source = datasets.load")
    assert found["example"].name == "one"
    labels = found["example"].labels
    np.testing.assert_array_equal(np.unique(labels), [1, 2, 255])
    assert (labels[0] == 255).all()
    code = Path("leaves.py").read_text()
    Path("leaves.py").write_text(code.replace("(0, 128, 0): 1", "(0, 128, 0): 2"))
    with pytest.raises(DatasetError, match="by other code of the builder Leaves"):
        run_blocks(DATASET, "source = datasets.load")
    Path("leaves.py").write_text(code.replace("EXPECTED =", "SPLITS ="))
    with pytest.raises(DatasetError, match="Leaves with EXPECTED"):
        datasets.load("leaves.py:Leaves")
    with pytest.raises(DatasetError, match=r"expected a SegmentationBuilder.* Leafs"):
        datasets.load("leaves.py:Leafs")


def test_a_source_of_ones_own_is_scored_and_its_errors_have_lines(capsys):
    Path("FOLDER").mkdir()
    images = np.stack([skimage.data.coffee()[i::10, ::10][:40] for i in range(2)])
    labels = np.stack([halves(x) for x in images])
    np.savez("FOLDER/val.npz", images=images, labels=labels)
    line = command(DATASET, "uhseg-evaluate", 6, *SMALL)
    assert evaluate.main(line) == 0, capsys.readouterr().err
    assert metrics("scores/arrays")["images"] == 2
    with pytest.raises(DatasetError, match=r"arrays\.py, line 18: FileNotFoundError"):
        datasets.load("arrays.py:Arrays", split="test", data_dir="FOLDER")
    with pytest.raises(DatasetError, match="no folder of original files"):
        datasets.load("arrays.py:Arrays")
    Path("none.py").write_text("def none(folder):\n    return [folder]\n")
    with pytest.raises(DatasetError, match="got a list, which lacks name, taxonomy"):
        datasets.load("none.py:none", data_dir="FOLDER")


def test_objects_in_places_of_ones_own_are_read():
    Path("annotations").mkdir()
    Path("photos").rename("val")
    square = [[1, 1, 9, 1, 9, 9, 1, 9]]
    listed = {
        "images": [{"id": 7, "file_name": "one.jpg", "height": 50, "width": 75}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "segmentation": square}
        ],
        "categories": [{"id": 1, "name": "leaf"}],
    }
    Path("annotations/val.json").write_text(json.dumps(listed))
    (example,) = datasets.load("plants.py:PLANTS", manual_dir=".")
    assert example.objects.areas.tolist() == [64]


def tiny_weights():
    spec = backbones.get_variant("tiny.py:TINY").spec
    params = backbones.family_of(spec).random_params(spec)
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    named = {"/".join(x.key for x in path): np.asarray(y) for path, y in leaves}
    save_file(named, "tiny.safetensors")
    return named


@pytest.mark.slow
def test_a_vision_transformer_of_ones_own_has_the_weights_of_its_file(monkeypatch):
    monkeypatch.setenv("UHSEG_CACHE", "cache")
    named = tiny_weights()
    (block,) = (x for x in blocks(BACKBONE, "python") if "extract_features" in x)
    given = {"image": np.asarray(Image.open("photo.jpg"))}
    exec(block.replace("tree = ", "# "), given)
    assert given["keys"].shape == (28, 28, 192)
    assert given["attention"].shape == (14, 14, 196)
    settings = given["backbone"].settings()
    assert settings["model"] == "tiny_vit16"
    assert len(settings["model_code_sha256"]) == 64
    save_file({x: y + 1 for x, y in named.items()}, "tiny.safetensors")
    backbones.loading._find.cache_clear()
    replaced = backbones.load_backbone("tiny.py:TINY")
    assert replaced.settings()["weights_sha256"] != settings["weights_sha256"]
    backbones.loading._find.cache_clear()
    (chunk, *_) = Path("cache/tiny_vit16/params").glob("class_token/0*")
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"uhseg-convert --model=tiny\.py:TINY --ch"):
        backbones.load_backbone("tiny.py:TINY")


@pytest.mark.slow
def test_a_family_of_ones_own_answers_requests(monkeypatch):
    monkeypatch.setenv("UHSEG_CACHE", "cache")
    exec(Path("save_conv.py").read_text(), {})
    tree = uhseg_jax.segment(
        "photo.jpg", model="conv.py:CONV", method="mine.py:segment"
    )
    assert tree.labels.shape == (50, 75)
    made, random = (backbones.load_backbone(f"conv.py:{x}") for x in ("CONV", "RANDOM"))
    assert made.weights_sha256 == random.weights_sha256  # both from the same key
    pixels = np.asarray(Image.open("photo.jpg").resize((96, 80)))
    found = made.answer(pixels, backbones.PatchRequest(grid=(10, 12)))
    whole = made.module.apply({"params": made.params}, pixels / np.float32(255))
    np.testing.assert_allclose(found, whole, atol=1e-5)
    features = uhseg_jax.extract_features(pixels, model="conv.py:CONV", image_size=None)
    np.testing.assert_array_equal(features, found)
    several = made.answer(pixels, backbones.PatchRequest(grid=(10, 12), blocks=(-2, 1)))
    units = found / np.linalg.norm(found, axis=-1, keepdims=True)
    np.testing.assert_allclose(several, np.tile(units, 2), atol=1e-6)


def test_what_a_family_cannot_answer_is_refused_in_a_sentence():
    with pytest.raises(
        ValueError, match=r"ConvFamily answers, but .* AttentionRequest"
    ):
        uhseg_jax.segment("photo.jpg", model="conv.py:RANDOM", method="diffusion_walk")
    with pytest.raises(ValueError, match="the facet 'key'"):
        uhseg_jax.extract_features(
            "photo.jpg", model="conv.py:RANDOM", image_size=64, facet="key"
        )
    with pytest.raises(ValueError, match="do not tile 50 x 75"):
        uhseg_jax.extract_features("photo.jpg", model="conv.py:RANDOM", image_size=None)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('name="conv8"', 'name="dino_vits8"', "a model of the package is called"),
        ('name="conv8"', 'name="conv/8"', "expected a name of letters"),
        (": ClassVar = ConvFamily()", ": ClassVar = 3", "which lacks naming, has_con"),
        ("patch: int = 8", "patch: int = 4", r"gives \[18, 18, 64\]; is its patch 4"),
        ("import jax\n", "import jacks\n", r"wrong\.py, line \d+: ModuleNotFound"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(before, after, words):
    code = Path("conv.py").read_text()
    assert before in code
    text = code.replace(before, after).replace('name="conv8_', 'name="conv_')
    Path("wrong.py").write_text(text)
    name = "CONV" if "name" in before else "RANDOM"
    with pytest.raises(ValueError, match=words):
        uhseg_jax.extract_features(
            "photo.jpg", model=f"wrong.py:{name}", image_size=144
        )


@pytest.mark.slow
@pytest.mark.weights
def test_what_is_ones_own_goes_with_what_is_ours(monkeypatch):
    Path("photos/chosen.txt").write_text("one.jpg\n")
    Path("classes.txt").write_text(blocks(DATASET, "text")[0])
    exec(Path("save_features.py").read_text(), {})
    plain, _, listed = commands(FEATURES, "uhseg-segment")
    for line in (plain, listed):
        assert segment.main(line) == 0
    ours = RegionTree.load("colors/one.npz")
    assert ours.labels.shape == (50, 75)
    assert int(ours.num_nodes) > 9
    for page in (METHOD, FEATURES):
        given = {
            "features": np.load("features/one.npy"),
            "batch": np.ones((2, 4, 4, 3)),
        }
        run_blocks(page, "uhseg_jax.segment", **given)
    assert evaluate.main(command(FEATURES, "uhseg-evaluate", 0)) == 0
    monkeypatch.setenv("UHSEG_CACHE", "cache")
    tiny_weights()
    exec(Path("save_conv.py").read_text(), {})
    tiny, _, conv, _ = commands(BACKBONE, "uhseg-segment")[1:]
    for line in (tiny, conv):
        assert segment.main(line) == 0
    assert RegionTree.load("conv/one.npz").labels.shape == (50, 75)
