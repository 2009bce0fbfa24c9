"""A folder of images and a folder of masks."""

import os

import numpy as np
import pytest
from dataset_files import image, mask, some_ids
from PIL import Image

from uhseg_jax.datasets import DatasetError, FolderSource, Source, folder
from uhseg_jax.images import read_file, read_image
from uhseg_jax.taxonomy import Taxonomy


@pytest.fixture
def folders(tmp_path):
    """Three pairs, one of them in a folder."""
    for name in ("b", "a", "in/c"):
        image(tmp_path / "images" / f"{name}.jpg")
    mask(tmp_path / "masks" / "a.png", some_ids([0, 1, 255]))
    mask(tmp_path / "masks" / "b.png", some_ids([0, 7]), palette=True)
    mask(tmp_path / "masks" / "in" / "c.png", some_ids([0, 300], np.uint16))
    return tmp_path / "images", tmp_path / "masks"


def test_pairs_come_by_name_with_their_ids(folders):
    (folders[0] / "in" / "up").symlink_to(folders[0])  # leads back
    source = FolderSource(*folders, name="mine")
    assert isinstance(source, Source)
    assert source.name == "mine"
    assert [example.name for example in source] == ["a", "b", "in/c"]
    for example, ids in zip(source, ([0, 1, 255], [0, 7], [0, 300]), strict=True):
        np.testing.assert_array_equal(example.labels, some_ids(ids, np.uint16))
        path = folders[0] / f"{example.name}.jpg"
        np.testing.assert_array_equal(example.image, read_image(path))


def test_without_a_taxonomy_every_id_that_occurs_is_a_class(folders):
    flat = FolderSource(*folders).taxonomy.flat()
    assert flat.names == ("background", "class 1", "class 7", "class 300")
    assert flat.encode(np.array([[0, 1, 255, 300]])).tolist() == [[0, 1, -1, 3]]


@pytest.mark.parametrize("ids", [[0, 255], [255]])
def test_masks_of_0_and_255_alone_must_be_explained(ids, folders):
    for path in folders[1].rglob("*.png"):
        mask(path, some_ids(ids))
    with pytest.raises(DatasetError, match=r"--taxonomy:\n.*\n  object = 255\n"):
        FolderSource(*folders)
    told = Taxonomy.parse("background = 0 background\nobject = 255\n")
    assert FolderSource(*folders, taxonomy=told)[0].labels.max() == 255
    mask(folders[1] / "a.png", some_ids([0, 1]))
    assert FolderSource(*folders).taxonomy.flat().num_classes == 2


def test_names_select_and_order(folders, tmp_path):
    (tmp_path / "list.txt").write_text("in/c\na 1\n")  # VOC's lists may have columns
    image(folders[0] / "without mask.jpg")
    source = FolderSource(*folders, names=tmp_path / "list.txt")
    assert [example.name for example in source] == ["in/c", "a"]
    assert len(FolderSource(*folders, names=["b"])) == 1


def test_names_with_numbers_come_as_people_count(tmp_path):
    for name in ("frame_10", "frame_2", "in/c"):
        image(tmp_path / "images" / f"{name}.jpg")
        mask(tmp_path / "masks" / f"{name}.png", some_ids([0, 1]))
    source = FolderSource(tmp_path / "images", tmp_path / "masks")
    assert [example.name for example in source] == ["frame_2", "frame_10", "in/c"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "z"], r"z: has no mask in .*\n.*z: has no image in"),
        (["a", "a"], "a: is listed twice"),
        ([], "the list of names is empty"),
        ("no list.txt", "no such list of names"),
    ],
)
def test_lists_with_problems_are_refused(folders, names, message):
    with pytest.raises(DatasetError, match=message):
        FolderSource(*folders, names=names)


def test_what_does_not_pair_is_named(folders):
    image(folders[0] / "d.png")
    mask(folders[1] / "e.png", some_ids([0]))
    image(folders[0] / "a.png")
    with pytest.raises(DatasetError, match="found 3 problems") as caught:
        FolderSource(*folders)
    assert "d.png: has no mask" in str(caught.value)
    assert "e.png: has no image" in str(caught.value)
    assert "a.png: has the same name as" in str(caught.value).replace("a.jpg", "a.png")


def test_places_that_cannot_be_read_are_named(folders):
    (folders[0] / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(folders[1] / "pipe.png")
    with pytest.raises(DatasetError, match="found 2 problems") as caught:
        FolderSource(*folders)
    assert "gone.jpg: is no file" in str(caught.value)
    assert "pipe.png: is no file" in str(caught.value)
    assert len(FolderSource(*folders, names=["a", "b"])) == 2


def test_folders_that_cannot_be_listed_are_named(folders, monkeypatch):
    def scandir(path, scan=os.scandir):
        if os.fspath(path).endswith("in"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DatasetError, match=r"masks/in: cannot be listed \(Permission"):
        FolderSource(*folders)


def test_sizes_must_agree_and_masks_hold_ids(folders):
    image(folders[0] / "a.jpg", (7, 8))
    with pytest.raises(DatasetError, match=r"a\.jpg: is 7 x 8, but its mask .* 6 x 8"):
        FolderSource(*folders)
    image(folders[0] / "a.jpg")
    image(folders[1] / "a.png")
    with pytest.raises(DatasetError, match=r"a\.png: .* mode is RGB, and colours"):
        FolderSource(*folders)


def test_a_turned_image_fits_upright_or_as_stored(folders):
    for name in ("a", "b"):
        turned = Image.new("RGB", (8, 6) if name == "a" else (6, 8), "red")
        exif = turned.getexif()
        exif[0x0112] = 6
        turned.save(folders[0] / f"{name}.jpg", exif=exif)
    source = FolderSource(*folders)
    assert source[0].image.shape == source[1].image.shape == (6, 8, 3)


def test_ids_that_a_taxonomy_does_not_know_are_named(folders, tmp_path):
    text = "background = 0 background\none = 1\nvoid = 255 ignore\n"
    (tmp_path / "classes.txt").write_text(text)
    for taxonomy in (Taxonomy.parse(text), tmp_path / "classes.txt"):
        source = FolderSource(*folders, taxonomy=taxonomy)
        assert source[0].name == "a"
        with pytest.raises(DatasetError, match=r"b\.png: .* found 7 \(24 pixels\)"):
            source[1]


def test_missing_folders_and_files_are_named(folders, tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere: expected a folder of masks"):
        FolderSource(folders[0], tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"empty: expected images \(.*but found n"):
        FolderSource(tmp_path / "empty", folders[1])
    with pytest.raises(DatasetError, match=r"t\.txt: expected a text file .*hierarchy"):
        FolderSource(*folders, taxonomy=tmp_path / "t.txt")


def test_the_fingerprint_changes_with_names_and_contents(folders):
    def fingerprint(*names):
        return FolderSource(*folders, names=names).fingerprint()

    source, found = FolderSource(*folders, names=["a", "b"]), fingerprint("a", "b")
    assert source.fingerprint() == found
    assert len({found, fingerprint("b", "a"), fingerprint("a")}) == 3
    path = folders[1] / "a.png"
    os.utime(path, (0, 0))  # copied
    assert fingerprint("a", "b") == found
    before = path.stat()
    mask(path, some_ids([0, 1, 254]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert fingerprint("a", "b") != found
    with pytest.raises(DatasetError, match="a: the image or its mask has changed"):
        source[0]
    assert source[1].name == "b"


def test_what_is_decoded_is_what_is_known(folders, monkeypatch):
    source = FolderSource(*folders, names=["a"])
    source.fingerprint()
    wanted, reads = source[0], []

    def read_once(path):
        content = read_file(path)
        reads.append(path)
        path.unlink()
        return content

    monkeypatch.setattr(folder, "read_file", read_once)
    found = source[0]
    assert reads == [folders[0] / "a.jpg", folders[1] / "a.png"]
    np.testing.assert_array_equal(found.labels, wanted.labels)
    np.testing.assert_array_equal(found.image, wanted.image)
