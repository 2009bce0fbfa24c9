"""Prepared datasets: parts, resuming, selections, views."""

import json
import os
import resource
import subprocess
import sys
import threading

import dataset_files
import numpy as np
import pytest

from uhseg_jax.datasets import DATASETS, DatasetError, PreparedSource, load, preparation
from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pascal_part.builder import PascalPart
from uhseg_jax.datasets.views import FlattenedSource
from uhseg_jax.datasets.voc2012.builder import Voc2012
from uhseg_jax.locks import FileLock


@pytest.fixture
def many(tmp_path, monkeypatch):
    """Seven images of VOC, to be prepared three at a time."""
    monkeypatch.setattr(preparation, "PAIRS_PER_PART", 3)
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    names = [f"2010_{number:06}" for number in (5, 3, 9, 1, 2, 8, 4)]
    for index, name in enumerate(names):
        dataset_files.image(folder / "JPEGImages" / f"{name}.jpg")
        ids = dataset_files.some_ids([0, index + 1])
        dataset_files.mask(folder / "SegmentationClass" / f"{name}.png", ids)
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n".join(names))
    return names


def options(tmp_path):
    return {"manual_dir": tmp_path, "data_dir": tmp_path / "prepared"}


def test_parts_are_read_as_one_in_the_order_of_the_list(many, tmp_path):
    load("voc2012", **options(tmp_path))
    source = load("voc2012", data_dir=tmp_path / "prepared")  # without original files
    assert [example.name for example in source] == many
    assert [int(example.labels.max()) for example in source] == list(range(1, 8))
    assert len(source) == 7
    assert source[-1].name == many[-1]
    with pytest.raises(IndexError, match="7 examples, no 7"):
        source[7]


def test_an_interrupted_preparation_goes_on(many, tmp_path, monkeypatch):
    read, reading = [], Voc2012.read_maps

    def until_the_fifth(pair):
        read.append(pair.name)
        if len(read) == 5:
            raise KeyboardInterrupt
        return reading(pair)

    monkeypatch.setattr(Voc2012, "read_maps", staticmethod(until_the_fifth))
    with pytest.raises(KeyboardInterrupt):
        load("voc2012", **options(tmp_path))
    with pytest.raises(DatasetError, match="not prepared"):
        load("voc2012", data_dir=tmp_path / "prepared")
    # What a killed process leaves: a folder under a temporary name.
    part = tmp_path / "prepared" / "voc2012" / "val-001-of-003"
    (part / "incomplete.ABC_1.0.0").mkdir()
    (part.parent / ".lock").write_text("kept")
    source = load("voc2012", **options(tmp_path))
    assert read == [*many[:5], *many[3:]]  # the first part is not read again
    assert [example.name for example in source] == many
    assert not list(part.glob("incomplete.*"))
    assert (part.parent / ".lock").read_text() == "kept"


def test_names_select_and_order(many, tmp_path):
    wanted = [many[4], many[1]]
    (tmp_path / "list.txt").write_text("\n".join(wanted) + "\n\n")
    for names in (wanted, tmp_path / "list.txt", str(tmp_path / "list.txt")):
        source = load("voc2012", names=names, **options(tmp_path))
        assert [example.name for example in source] == wanted
    again = load("voc2012", names=wanted, data_dir=tmp_path / "prepared")
    assert [example.name for example in again] == wanted
    assert len(load("voc2012", **options(tmp_path))) == 7


def test_unknown_and_repeated_names_are_refused_and_long_lists_cut(many, tmp_path):
    names = [many[0], *(f"missing {number}" for number in range(18)), many[0]]
    with pytest.raises(DatasetError, match="found 19 problems") as caught:
        load("voc2012", names=names, **options(tmp_path))
    assert str(caught.value).count("there is no such pair") == 16
    assert "and 3 more" in str(caught.value)
    with pytest.raises(DatasetError, match=f"{many[0]}: is listed twice"):
        load("voc2012", names=[many[0], many[0]], **options(tmp_path))


def test_unknown_datasets_are_told_the_known_ones(tmp_path):
    with pytest.raises(
        DatasetError, match=r"unknown dataset 'voc'; .* voc2012, .* Did"
    ):
        load("voc", data_dir=tmp_path)


def test_two_that_prepare_at_once_do_it_once(many, tmp_path, monkeypatch):
    read, reading = [], Voc2012.read_maps

    def counted(pair):
        read.append(pair.name)
        return reading(pair)

    monkeypatch.setattr(Voc2012, "read_maps", staticmethod(counted))
    load("voc2012", **options(tmp_path))
    threads = [
        threading.Thread(target=load, args=("voc2012",), kwargs=options(tmp_path))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == many


def test_who_waits_for_another_that_prepares_says_so(tmp_path, monkeypatch):
    other, said = FileLock(tmp_path / ".uhseg.lock"), []

    def write(text, file):
        said.append(text)
        other.close()

    assert other.try_alone()
    monkeypatch.setattr(preparation, "_PATIENCE", 0.0)
    monkeypatch.setattr(preparation.tqdm, "write", write)
    with preparation._alone_in(tmp_path):
        pass
    assert said == [
        f"{tmp_path}: another process prepares this dataset; waiting for it."
    ]


def test_views_share_what_is_prepared(tmp_path):
    dataset_files.write_paired("coco_stuff", tmp_path)
    classes = {}
    for name in DATASETS:
        if name.startswith("coco_stuff"):
            source = load(name, **options(tmp_path))
            flat = source.taxonomy.flat()
            classes[name] = flat.num_classes
            flat.encode(source[0].labels)
    assert classes == {
        **{"coco_stuff": 171, "coco_stuff27": 27, "coco_stuff182": 182},
        **{"coco_stuff_only": 92, "coco_stuff_things": 92},
    }
    folder = tmp_path / "prepared" / "coco_stuff"
    assert len(list(folder.rglob("dataset_info.json"))) == 1


@pytest.mark.parametrize(("name", "classes"), [("coco_stuff", 27), ("coco", 13)])
def test_a_flattened_view_has_the_classes_of_its_level(name, classes, tmp_path):
    dataset_files.WRITERS[name](tmp_path)
    fine = load(name, **options(tmp_path))
    coarse = FlattenedSource(fine, depth=0)
    expected, found = fine.taxonomy.flat(depth=0), coarse.taxonomy.flat()
    assert found.names == expected.names
    assert found.num_classes == classes
    assert (found.names[0] == "background") == (name == "coco")
    assert len(coarse) == len(fine)
    for one, other in zip(fine, coarse, strict=True):
        np.testing.assert_array_equal(
            found.encode(other.labels), expected.encode(one.labels)
        )
        np.testing.assert_array_equal(one.image, other.image)
    views = [FlattenedSource(fine, depth=depth).fingerprint() for depth in (0, 1)]
    assert len({fine.fingerprint(), *views}) == 3


def test_builders_work_as_tfds_has_them(tmp_path):
    import tensorflow_datasets as tfds

    truth = dataset_files.voc2012(tmp_path)
    builder = Voc2012(data_dir=tmp_path / "plain")
    config = tfds.download.DownloadConfig(manual_dir=tmp_path)
    builder.download_and_prepare(file_format="array_record", download_config=config)
    rows = list(builder.as_data_source("val"))
    assert [row["name"].decode() for row in rows] == list(truth)
    for row, ids in zip(rows, truth.values(), strict=True):
        np.testing.assert_array_equal(row["label"][..., 0], ids)
    source = PreparedSource(
        [builder.data_dir], split="val", taxonomy=Voc2012.read_taxonomy()
    )
    np.testing.assert_array_equal(source[1].labels, truth["2007_000001"])
    assert issubclass(Voc2012, SegmentationBuilder)
    assert not {"voc2012", "coco"} & set(tfds.core.registered._DATASET_REGISTRY)


def test_large_files_make_more_parts(many, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "BYTES_PER_PART", 1)
    source = load("voc2012", **options(tmp_path))
    assert [example.name for example in source] == many
    folder = tmp_path / "prepared" / "voc2012"
    assert len(list(folder.glob("val-*-of-007"))) == 7


def test_what_tfds_cannot_hold_is_sent_to_load(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    dataset_files.voc2012(tmp_path)
    monkeypatch.setattr("uhseg_jax.datasets.builder._MEMORY", 100)
    config = tfds.download.DownloadConfig(manual_dir=tmp_path)
    with pytest.raises(DatasetError, match=r"uhseg_jax\.datasets\.load, which does so"):
        Voc2012(data_dir=tmp_path / "plain").download_and_prepare(
            file_format="array_record", download_config=config
        )


def test_parts_of_other_files_are_not_taken(many, tmp_path):
    load("voc2012", **options(tmp_path))
    path = tmp_path / "VOCdevkit" / "VOC2012" / "SegmentationClass" / f"{many[4]}.png"
    dataset_files.mask(path, dataset_files.some_ids([0, 1, 2, 3, 4, 5]))
    with pytest.raises(
        DatasetError, match=r"val-001-of-003.* prepared from other files"
    ):
        load("voc2012", **options(tmp_path))
    # A replacement may have the same size, and an old date.
    dataset_files.mask(path, dataset_files.some_ids([0, 5]))
    os.utime(path, (0, 0))
    load("voc2012", **options(tmp_path))
    size = path.stat().st_size
    dataset_files.mask(path, dataset_files.some_ids([0, 6]))
    assert path.stat().st_size == size
    with pytest.raises(DatasetError, match="names, sizes or contents now"):
        load("voc2012", **options(tmp_path))
    # What an earlier version prepared has a digest of sizes only.
    (metadata,) = (tmp_path / "prepared").rglob("val-001-of-003/*/metadata.json")
    known = json.loads(metadata.read_text())
    metadata.write_text(json.dumps({"digest": known["digest"]}))
    load("voc2012", **options(tmp_path))
    # Of two preparations the last counts.
    lists = tmp_path / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation"
    (lists / "val.txt").write_text("\n".join(many[:2]))
    load("voc2012", **options(tmp_path))
    assert len(load("voc2012", data_dir=tmp_path / "prepared")) == 2


def test_what_is_prepared_may_lie_where_nothing_can_be_written(
    many, tmp_path, monkeypatch
):
    load("voc2012", **options(tmp_path))

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(preparation, "FileLock", refuse)
    assert len(load("voc2012", **options(tmp_path))) == 7
    with pytest.raises(DatasetError, match=r"voc2012: .*\(data_dir\)"):
        load("voc2012", **options(tmp_path), names=[many[0]])


def test_a_full_disk_is_a_sentence_and_leaves_nothing(many, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(DatasetError, match=r"val-000-of-003: .* Free some space"):
            load("voc2012", **options(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [x for x in (tmp_path / "prepared").rglob("*") if x.is_file()]
    assert not list((tmp_path / "prepared").rglob("incomplete.*"))
    assert len(load("voc2012", **options(tmp_path))) == 7


def test_damage_to_what_is_prepared_names_its_folder(many, tmp_path):
    load("voc2012", **options(tmp_path))
    folder = next((tmp_path / "prepared").rglob("val-001-of-003/*"))
    (examples,) = folder.glob("*.array_record*")
    whole = examples.read_bytes()
    half = len(whole) // 2
    examples.write_bytes(whole[:half] + bytes(64) + whole[half + 64 :])
    source = load("voc2012", **options(tmp_path))
    assert source[0].name == many[0]
    with pytest.raises(DatasetError, match=r"val-001.*remove the folder"):
        [source[index] for index in range(3, 6)]
    examples.write_bytes(whole[:half])
    with pytest.raises(DatasetError, match=r"val-001.*remove the folder"):
        [*map(load("voc2012", **options(tmp_path)).__getitem__, range(3, 6))]
    (folder / "features.json").write_text("{")
    with pytest.raises(DatasetError, match=r"val-001.*expected a prepared dataset"):
        load("voc2012", **options(tmp_path))


def test_importing_the_room_does_not_import_tfds():
    code = "import sys, uhseg_jax.datasets; assert not {'tensorflow_datasets', "
    code += "'tensorflow', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_the_fingerprint_tells_selections_and_files_apart(many, tmp_path):
    found = load("voc2012", **options(tmp_path)).fingerprint()
    assert load("voc2012", data_dir=tmp_path / "prepared").fingerprint() == found
    anew = {"manual_dir": tmp_path, "data_dir": tmp_path / "anew"}
    assert load("voc2012", **anew).fingerprint() == found
    selections = [
        load("voc2012", **options(tmp_path), names=[name]).fingerprint()
        for name in many[:2]
    ]
    assert len({found, *selections}) == 3
    folder = tmp_path / "VOCdevkit" / "VOC2012" / "SegmentationClass"
    dataset_files.mask(folder / f"{many[0]}.png", dataset_files.some_ids([*range(9)]))
    anew["data_dir"] = tmp_path / "mended"
    mended = load("voc2012", **anew).fingerprint()
    assert mended != found
    ids = dataset_files.some_ids([0, 1, 2, 3, 4, 5, 6, 8, 7])
    dataset_files.mask(folder / f"{many[0]}.png", ids)  # of the same size
    anew["data_dir"] = tmp_path / "again"
    assert load("voc2012", **anew).fingerprint() not in (found, mended)


def test_what_was_prepared_before_a_map_was_added_is_read_without_it(
    tmp_path, monkeypatch
):
    dataset_files.pascal_part(tmp_path)
    with monkeypatch.context() as before:
        before.setattr(PascalPart, "EXTRAS", ())
        old = load("pascal_part", **options(tmp_path))
    again = load("pascal_part", **options(tmp_path))
    assert again.fingerprint() == old.fingerprint()
    assert again[0].instances is None
    anew = {"manual_dir": tmp_path, "data_dir": tmp_path / "anew"}
    assert load("pascal_part", **anew)[0].instances.max() == 3
