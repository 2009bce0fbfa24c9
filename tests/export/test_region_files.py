"""Masks and cut-outs: a PNG for each region, which is the region."""

import dataclasses
import os

import numpy as np
import pytest
import skimage.io
from export_results import result_of
from trees import quadrants, random_tree

from uhseg_jax.export import EXPORTERS, ExportOptions, Folder, open_formats
from uhseg_jax.export.result import Selected
from uhseg_jax.hierarchy.region_choice import RegionChoice

BOTH = ("masks", "cutouts")


def write(folder, result, *, keep=False, nested=False, formats=BOTH, **fields):
    flat = False if nested else None
    options = ExportOptions(choice=RegionChoice(**fields), flat=flat)
    with open_formats(formats, Folder(folder), options) as writer:
        writer.add(result, keep=keep)


def read(folder):
    """Every PNG in a folder, by its name without the suffix."""
    return {x.name.removesuffix(".png"): skimage.io.imread(x) for x in folder.iterdir()}


@pytest.mark.parametrize("nested", [False, True])
def test_every_region_is_a_mask_and_a_cut_out_called_after_its_node(tmp_path, nested):
    tree = random_tree(2, padding=2)
    result = result_of(tree, "a.jpg", name="sub/a")
    write(tmp_path, result, nested=nested, num_regions=6)
    masks, cutouts = read(tmp_path / "sub/a.masks"), read(tmp_path / "sub/a.cutouts")
    regions = tree.regions(num_regions=6, flat=not nested)
    nodes = [str(node) for node in regions.nodes]
    assert sorted(masks) == sorted(cutouts) == sorted(nodes)
    whole = tree.masks()
    for node in map(int, nodes):
        mask, cutout = masks[str(node)], cutouts[str(node)]
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, 255 * whole[node])
        rows, columns = np.nonzero(whole[node])
        box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        inside = whole[node][box]
        assert cutout.shape == (*inside.shape, 4)
        np.testing.assert_array_equal(cutout[..., 3], 255 * inside)
        np.testing.assert_array_equal(
            cutout[..., :3], result.pixels[box] * inside[..., None]
        )


def test_masks_need_no_image(tmp_path):
    result = dataclasses.replace(result_of(quadrants()), image=None)
    write(tmp_path, result, formats=["masks"])
    assert sorted(read(tmp_path / "0.masks")) == ["3", "4", "5", "6"]
    assert not EXPORTERS["masks"].needs_pixels
    with pytest.raises(ValueError, match="expected the pixels"):
        write(tmp_path, result, formats=["cutouts"])
    assert not (tmp_path / "0.cutouts").exists()


def test_components_and_unions_have_names_of_their_own(tmp_path):
    tree = quadrants()
    # The left top gets a corner far off, the smaller of its two components.
    labels = tree.labels.copy()
    labels[-1, -1] = 3
    tree = dataclasses.replace(tree, labels=labels)
    write(tmp_path, result_of(tree), connected=True, formats=["masks"])
    masks = read(tmp_path / "0.masks")
    assert sorted(masks) == ["3", "3.2", "4", "5", "6"]
    assert (masks["3"].sum() // 255, masks["3.2"].sum() // 255) == (24, 1)
    names = [((3, 6), "big dog/.."), ((4, 5), ""), ((5,), "ü" * 90), ((5, 6), "a")]
    selected = tuple(Selected(name, nodes) for nodes, name in names)
    result = dataclasses.replace(result_of(tree, name="b"), selected=selected)
    write(tmp_path, result, nested=True, formats=["masks"])
    stems = {"union-big_dog", "union.2", "5-" + "ü" * 40, "union.3-a"}
    assert set(read(tmp_path / "b.masks")) == stems


def test_the_background_of_categories_is_no_region(tmp_path):
    categories = np.array([0, 0, 0, 1, 2, 0, 1], np.int32)
    result = result_of(quadrants(), categories=categories)
    options = ExportOptions(num_categories=2)
    with open_formats(["masks"], Folder(tmp_path), options) as writer:
        writer.add(result)
    assert sorted(read(tmp_path / "0.masks")) == ["3", "4", "6"]


def test_files_of_the_same_choice_stay_and_others_are_made_anew(tmp_path):
    def kept(**fields):
        for path in tmp_path.rglob("*.png"):
            os.utime(path, ns=(10, 10))
        write(tmp_path, result_of(quadrants()), keep=True, formats=["masks"], **fields)
        times = {x.stem: x.stat().st_mtime_ns for x in tmp_path.rglob("*.png")}
        return {stem for stem, time in times.items() if time == 10}

    write(tmp_path, result_of(quadrants()), formats=["masks"])
    assert kept() == {"3", "4", "5", "6"}
    assert kept(min_area=0.1) == set()
    (tmp_path / "0.masks/4.png").write_bytes(b"")
    assert kept(min_area=0.1) == set()
    assert not any(x.stat().st_size == 0 for x in tmp_path.rglob("*.png"))
