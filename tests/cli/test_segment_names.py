"""uhseg-segment with labels: regions of finished trees get names, the trees stay."""

import huggingface_hub
import numpy as np
import pytest
from pycocotools.coco import COCO
from segment_command import NAMES, TITLES, segment, times

import uhseg_jax
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.naming.namer import Namer

# pycocotools
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

LABELS = ("--labels=dog, wet grass", "--labels_model=clip_test")


def test_names_are_classes_of_the_files_and_no_tree_is_made_anew(done, photos, capsys):
    out = done / "out"
    trees = times(out, ".npz")
    assert segment(photos, *LABELS, "--labels_threshold=0.4", output=out) == 0
    assert times(out, ".npz") == trees
    said = capsys.readouterr().out
    assert "0 segmented, 3 done before" in said
    assert "regions have a name.\n" in said
    coco = COCO(out / "coco.json")
    categories = coco.loadCats(coco.getCatIds())
    assert [x["name"] for x in categories] == ["dog", "wet grass", "region"]
    found = set()
    for image, (name, title) in enumerate(zip(NAMES, TITLES, strict=True), start=1):
        names = uhseg_jax.name_regions(
            RegionTree.load(out / f"{name}.npz"),
            photos / title,
            ["dog", "wet grass"],
            model="clip_test",
            threshold=0.4,
        )
        regions = coco.loadAnns(coco.getAnnIds(imgIds=[image]))
        ids = [x["category_id"] for x in regions]
        np.testing.assert_array_equal(
            ids, np.where(names.indices < 0, 3, names.indices + 1)
        )
        found |= set(ids)
    assert len(found) > 1
    assert segment(photos, output=out) == 0  # and away again
    coco = COCO(out / "coco.json")
    assert [x["name"] for x in coco.loadCats(coco.getCatIds())] == ["region"]
    assert times(out, ".npz") == trees


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--labels=dog,,sky"], "--labels: expected labels such as dog, grass, sky"),
        (["--labels=dog,region"], "--labels: expected another label than 'region'"),
        (["--labels_model=clip_test"], "--labels_model goes with --labels"),
        (["--labels=dog", "--labels_threshold=2"], "labels_threshold"),
        (
            ["--labels=dog", "--format=npz,png,labels"],
            "--labels goes with formats that",
        ),
        (
            ["--labels=dog", "--method=multilevel_clustering", "--preset=default"],
            "--labels does not go with --method=multilevel_clustering",
        ),
    ],
)
def test_labels_that_make_no_sense_are_refused_first(flags, sentence, out, capsys):
    assert segment("none.png", *flags, output=out) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()


def test_one_shard_of_two_loads_no_model_of_names_which_its_files_do_not_hold(
    done, photos, monkeypatch
):
    def load(*arguments, **named):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(Namer, "create", load)
    assert segment(photos, *LABELS, "--shard=1/2", output=done / "out") == 0


def test_a_model_that_cannot_be_had_is_one_sentence(
    finished, out, tmp_path, monkeypatch, capsys
):
    def download(*args, **kwargs):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    photo = finished / "photos" / "one.png"
    where = f"--checkpoint_dir={tmp_path / 'weights'}"
    assert segment(photo, "--labels=dog", where, output=out) == 1
    said = capsys.readouterr().err
    assert "uhseg-convert --model=clip_vitb16_text --file=PATH" in said
    assert segment(photo, "--labels=dog", "--labels_model=mae_vitb16", output=out) == 1
    assert "unknown model for labels 'mae_vitb16'" in capsys.readouterr().err
    assert not out.exists()
