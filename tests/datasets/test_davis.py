"""Clips with the masks of their objects, in the layouts of DAVIS."""

import shutil

import numpy as np
import pytest
from dataset_files import image, mask, some_ids

from uhseg_jax.datasets import DATASETS, ClipDataset, DatasetError, load

FRAMES = 3
CLIPS = {"dog": [0, 255], "bear": [0, 1, 2, 255]}


@pytest.fixture
def root(tmp_path):
    for clip, ids in CLIPS.items():
        for frame in range(FRAMES):
            place = f"480p/{clip}/{frame:05}"
            image(tmp_path / f"JPEGImages/{place}.jpg")
            found = np.roll(some_ids(ids), frame, axis=1)
            mask(tmp_path / f"Annotations/{place}.png", found)
    return tmp_path


def listed(root, path, text):
    file = root / "ImageSets" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_one_object_is_all_that_is_not_background(root):
    source = load("davis2016", manual_dir=root)
    assert [x.name for x in source] == ["bear", "dog"]
    bear = source[0]
    truth = np.stack([np.roll(some_ids(CLIPS["bear"]), i, axis=1) for i in range(3)])
    np.testing.assert_array_equal(bear.objects_through_time, truth > 0)
    np.testing.assert_array_equal(bear.labels, bear.objects_through_time[1])
    assert [x.name for x in bear.frames] == ["00000.jpg", "00001.jpg", "00002.jpg"]
    assert bear.image.shape == (*bear.labels.shape, 3)
    source.taxonomy.flat().encode(bear.labels)


def test_objects_keep_their_ids_and_void_does_not_count(root):
    source = load("davis2017_unsupervised", data_dir=root, names=["bear"])
    (bear,) = source
    assert set(np.unique(bear.objects_through_time)) == {-1, 0, 1, 2}
    np.testing.assert_array_equal(bear.instances, bear.objects_through_time[1])
    np.testing.assert_array_equal(bear.labels == 255, bear.instances < 0)
    source.taxonomy.flat().encode(bear.labels)
    apart = root / "Annotations_unsupervised"
    shutil.move(root / "Annotations", apart)
    assert len(load("davis2017_unsupervised", manual_dir=root)) == 2
    with pytest.raises(DatasetError, match=r"(?s)Annotations.*Expected layout"):
        load("davis2016", manual_dir=root)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("2016/val.txt", "dog\n"),
        ("480p/val.txt", "/JPEGImages/480p/dog/00000.jpg /Annotations/x.png\n" * 2),
    ],
)
def test_a_split_is_what_its_list_names_wherever_it_lies(root, path, text):
    listed(root, path, text)
    above = root.parent / "above"
    above.mkdir(exist_ok=True)
    shutil.copytree(root, above / "DAVIS", dirs_exist_ok=True)
    for folder in (root, above):
        assert [x.name for x in load("davis2016", manual_dir=folder)] == ["dog"]
    shutil.rmtree(above)


def test_clips_are_known_by_their_bytes(root):
    first = load("davis2016", manual_dir=root, names=["dog"])
    known = first.fingerprint()
    assert known == load("davis2016", manual_dir=root, names=["dog"]).fingerprint()
    others = load("davis2017_unsupervised", manual_dir=root, names=["dog"])
    assert known != others.fingerprint()
    mask(root / "Annotations/480p/dog/00002.png", some_ids([255, 0]))
    assert known != load("davis2016", manual_dir=root, names=["dog"]).fingerprint()
    with pytest.raises(DatasetError, match="dog/00002: the frame or its mask has chan"):
        first[0]


def test_what_is_missing_is_said_with_the_layout(root):
    with pytest.raises(DatasetError, match="no split 'test'; it has train, val"):
        load("davis2016", split="test", manual_dir=root)
    with pytest.raises(DatasetError, match=r"(?s)no folder.*JPEGImages/480p/CLIP"):
        load("davis2016")
    with pytest.raises(DatasetError, match="cat: there is no such clip"):
        load("davis2016", manual_dir=root, names=["cat"])
    image(root / "JPEGImages/480p/dog/00001.jpg", (4, 8))
    mask(root / "Annotations/480p/dog/00001.png", some_ids([0])[:4])
    with pytest.raises(DatasetError, match="4 x 8, but the first frame of dog is 6 x"):
        load("davis2016", manual_dir=root)
    (root / "Annotations/480p/dog/00001.png").unlink()
    with pytest.raises(DatasetError, match="has no mask"):
        load("davis2016", manual_dir=root)
    shutil.rmtree(root / "JPEGImages")
    with pytest.raises(DatasetError, match="expected a folder of clips"):
        load("davis2016", manual_dir=root)


def test_clips_are_registered():
    names = [x.name for x in DATASETS.values() if isinstance(x, ClipDataset)]
    assert names == ["davis2016", "davis2017_unsupervised"]
