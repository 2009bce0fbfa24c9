"""Features, methods and lists of images of one's own, on the command line."""

import numpy as np
import pytest
from segment_command import labels
from shapes import Shapes, read_json, rows
from small_runs import photograph, photographs_with_masks

from uhseg_jax.backbones import loading
from uhseg_jax.cli import evaluate, segment
from uhseg_jax.hierarchy.tree import RegionTree

# Small, so that it compiles in no time; a folder of features has all else.
SMALL = (
    *("--config.superpixels.count=24", "--config.superpixels.contrast_scales=1.5"),
    *("--config.num_condensed=12", "--config.max_regions=8"),
)
COLUMNS = """\
import numpy as np

def segment(features, image, columns: int = 2):
    height, width = image.shape[:2]
    return np.tile(np.arange(width) * columns // width, (height, 1))

def of_features(features, row: int = 2, fails: bool = False):
    if fails and features.shape == (6, 6, 3):
        raise KeyError(row)
    labels = np.zeros(features.shape[:2], int)
    labels[row:] = 1
    return labels
"""


@pytest.fixture(autouse=True)
def no_backbone(monkeypatch):
    def load(*args, **kwargs):
        raise AssertionError("a backbone was loaded")

    monkeypatch.setattr(loading, "_find", load)


@pytest.fixture
def folder(tmp_path):
    """Three photographs, their features and a method, in one folder."""
    rng = np.random.default_rng(0)
    for i, name in enumerate(("a.png", "sub/b.png", "sub/c.jpg")):
        photograph(tmp_path / "photos" / name, seed=i)
        grid = (5, 6) if i == 1 else (6, 6)
        path = (tmp_path / "features" / name).with_suffix(".npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.normal(size=(*grid, 3)).astype(np.float16))
    (tmp_path / "mine.py").write_text(COLUMNS)
    return tmp_path


def run(folder, *arguments):
    out = f"--output={folder / 'out'}"
    return segment.main(["uhseg-segment", out, "--format=npz", *map(str, arguments)])


def own(folder, function="segment"):
    return f"--method={folder}/mine.py:{function}"


def names(folder):
    out = folder / "out"
    return sorted(x.relative_to(out).as_posix() for x in out.rglob("*.npz"))


def test_features_give_trees_of_the_size_of_images_and_load_no_backbone(folder, capsys):
    arguments = (folder / "photos", f"--features={folder}/features", *SMALL)
    assert run(folder, *arguments) == 0
    assert names(folder) == ["a.npz", "sub/b.npz", "sub/c.npz"]
    for name in names(folder):
        tree = RegionTree.load(folder / "out" / name)
        assert tree.labels.shape == (30, 40)
        assert int(tree.num_nodes) > 2
    assert read_json(folder / "out/run.json")["model"] == "features"
    assert run(folder, *arguments, "--batch_size=3") == 0
    assert "0 segmented, 3 done before" in capsys.readouterr().out
    # Of one image the features are others: its tree is another.
    before = labels(folder / "out/a.npz")
    np.save(folder / "features/a.npy", np.eye(6, dtype=np.float32)[:, None] + 1e-3)
    assert run(folder, *arguments) == 0
    assert "1 segmented, 2 done before" in capsys.readouterr().out
    assert not np.array_equal(labels(folder / "out/a.npz"), before)


def test_what_is_wrong_with_features_is_said_and_the_rest_is_done(folder, capsys):
    (folder / "features/sub/b.npy").unlink()
    np.save(folder / "features/sub/c.npy", np.full((3, 3, 2), np.nan, np.float32))
    photograph(folder / "photos/a.jpg", seed=5)
    photograph(folder / "photos/zero.png", seed=6)
    np.save(folder / "features/zero.npy", np.zeros((6, 6, 3), np.float32))
    photos, features = folder / "photos", f"--features={folder}/features"
    assert run(folder, photos, features, *SMALL) == 1
    said = capsys.readouterr()
    for words in (
        f"sub/b.png: expected its features in {folder}/features/sub/b.npy or .npz",
        f"{folder}/features/sub/c.npy: expected finite features, but 9 of 9 vectors",
        "zero.png: expected features of some length, but 36 of 36 vectors are zero",
        "a.png: its features would be those of a.jpg",
    ):
        assert words in said.err
    assert "1 segmented, 0 done before, 4 failed" in said.out
    assert names(folder) == ["a.jpg.npz"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model=dino_vits8"], "--features does not go with --model"),
        (["--grid=8"], "--features does not go with --grid"),
        (["--config.request.grid=8"], "not go with --config.request.grid"),
        (["--method=multilevel_clustering"], "reads images, not features"),
        (["--features=nowhere"], "nowhere: expected a folder with the features"),
    ],
)
def test_flags_that_speak_to_a_backbone_are_refused(folder, flags, words, capsys):
    assert run(folder, folder / "photos", f"--features={folder}/features", *flags) > 0
    assert words in capsys.readouterr().err
    assert not (folder / "out/run.json").exists()


def test_a_method_in_a_file_has_parameters_and_its_code_is_in_the_settings(
    folder, capsys
):
    arguments = (folder / "photos", f"--features={folder}/features")
    assert run(folder, *arguments, own(folder), "--config.columns=4") == 0
    found = labels(folder / "out/sub/b.npz")
    np.testing.assert_array_equal(found[0], 1 + np.arange(40) * 4 // 40)
    (folder / "mine.py").write_text(COLUMNS + "# mended\n")
    assert run(folder, *arguments, own(folder), "--config.columns=4") == 1
    assert "other settings (code_sha256" in " ".join(capsys.readouterr().err.split())


def test_errors_of_a_method_name_its_file_and_line_and_the_rest_is_done(folder, capsys):
    flags = (own(folder, "of_features"), "--config.fails=true", "--refine=none")
    assert run(folder, folder / "photos", f"--features={folder}/features", *flags) == 1
    said = capsys.readouterr()
    line = (
        f"a.png: {folder}/mine.py, line 9: KeyError: 2; mend the function of_features"
    )
    assert line in said.err
    assert "1 segmented, 0 done before, 2 failed" in said.out
    found = labels(folder / "out/sub/b.npz")
    np.testing.assert_array_equal(found[[11, 12], 0], [1, 2])


def test_a_list_names_the_images_below_its_folder(folder, capsys):
    listed = folder / "photos/list.txt"
    listed.write_bytes(
        b"\xef\xbb\xbfsub/c.jpg\r\n\n# the first:\n a.png \n#\nsub/c.jpg\nnowhere.png\n"
    )
    arguments = (f"--features={folder}/features", own(folder), f"--list={listed}")
    assert run(folder, *arguments) == 1
    said = capsys.readouterr()
    assert "list.txt, line 7: expected the path of an image" in said.err
    assert "the first" not in said.err
    assert "there is no such file: nowhere.png" in said.err
    assert names(folder) == ["a.npz", "sub/c.npz"]
    assert run(folder, *arguments, folder / "photos/sub/b.png") == 1
    assert "b.png: expected its features in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "one a line, but there are none"),
        (b"\x89PNG\0", "expected a text file with one path"),
        (b"nowhere.png", "no such file: nowhere.png"),
        (None, "expected a list of images, but it cannot be read"),
    ],
)
def test_what_is_no_list_is_refused(folder, content, words, capsys):
    if content is not None:
        (folder / "list.txt").write_bytes(content)
    assert run(folder, f"--list={folder}/list.txt", own(folder)) == 1
    assert words in capsys.readouterr().err


CONFIG = """\
from ml_collections import ConfigDict

def get_config():
    return ConfigDict(
        dict(dataset="voc2012", split="val", model="none", method="region_merging",
             parameters={})
    )
"""


def test_an_evaluation_takes_features_and_a_method_and_tells_others_apart(
    tmp_path, capsys
):
    folder = photographs_with_masks(tmp_path, 3)
    (folder / "mine.py").write_text(COLUMNS)
    (folder / "features").mkdir()
    for i in range(3):
        np.save(folder / f"features/{i:02}.npy", np.ones((6, 6, 3), np.float32))
    (folder / "names.txt").write_text("00.png\n02\n")
    arguments = (
        *("uhseg-evaluate", f"--images={folder}/images", f"--masks={folder}/masks"),
        *(own(folder, "of_features"), f"--features={folder}/features"),
        *(f"--output={folder}/out", f"--names={folder}/names.txt", "--refine=none"),
    )
    assert evaluate.main(arguments) == 0
    assert [x["name"] for x in rows(folder / "out")] == ["00", "02"]
    metrics = read_json(folder / "out/metrics.json")
    assert metrics["mean_nodes"] == 2
    settings = read_json(folder / "out/run.json")
    assert settings["model"] == "features"
    assert len(settings["features"]) == 64
    assert evaluate.main(arguments) == 0
    assert read_json(folder / "out/metrics.json") == metrics
    capsys.readouterr()
    np.save(folder / "features/02.npy", np.ones((5, 6, 3), np.float32))
    assert evaluate.main(arguments) == 1
    assert "other settings (features" in " ".join(capsys.readouterr().err.split())
    (folder / "features/02.npy").unlink()
    assert evaluate.main([*arguments, "--overwrite"]) == 1
    assert "02: expected its features in" in capsys.readouterr().err


def test_a_config_takes_a_method_in_a_file_with_its_parameters(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "source_of", lambda *said: Shapes(2))
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "mine.py").write_text(COLUMNS)
    for i in range(2):
        np.save(tmp_path / f"shape {i}.npy", np.ones((6, 6, 3), np.float32))
    arguments = (
        *("uhseg-evaluate", f"--config={tmp_path}/config.py", "--refine=none"),
        *(f"--config.method={tmp_path}/mine.py:of_features", f"--features={tmp_path}"),
        *("--config.parameters.row=4", f"--output={tmp_path}/out"),
    )
    assert evaluate.main(arguments) == 0
    assert read_json(tmp_path / "out/metrics.json")["images"] == 2
    settings = read_json(tmp_path / "out/run.json")
    assert settings["method"] == "mine.py:of_features"
    assert settings["config"]["row"] == 4
