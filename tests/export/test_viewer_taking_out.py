"""What the page lets out of selected regions, and the selections that it takes in."""

import json
import re

import numpy as np
import pytest
from export_results import decoded
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from selecting import call_it, downloaded, load
from selenium.webdriver.common.by import By
from viewer_pages import write_page

from uhseg_jax.export import ExportOptions
from uhseg_jax.export.selections import read_selection
from uhseg_jax.hierarchy.region_choice import RegionChoice
from uhseg_jax.run_lengths import decode

pytestmark = pytest.mark.browser


def test_a_mask_is_that_of_the_tree_and_a_cutout_lies_in_its_box(
    page, downloads, results
):
    page.slide_to(4)
    page.point(20, 30, clicks=1)
    page.point(60, 90, clicks=1, shift=True)
    masks = results[0].tree.masks()
    expected = masks[3] | masks[6]
    saved = downloaded(page, downloads, "a.mask.png", "mask")
    (downloads / "x.png").write_bytes(saved)
    with Image.open(downloads / "x.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.array(image), np.where(expected, 255, 0))

    page.point(60, 90, clicks=1)
    saved = downloaded(page, downloads, "a.6.cutout.png", "cutout")
    (downloads / "x.png").write_bytes(saved)
    with Image.open(downloads / "x.png") as image:
        assert image.mode == "RGBA"
        assert image.size == (60, 40)
        pixels = np.array(image)
    assert (pixels[..., 3] == 255).all()
    shown = decoded(page.find("#photo").get_attribute("src"))
    close = np.abs(pixels[..., :3].astype(int) - shown[40:, 60:]) <= 3
    assert close.mean() > 0.99  # decoders of JPEG differ in rounding


def test_coco_and_selection_hold_what_is_selected_in_all_images(
    page, path, downloads, results, tmp_path
):
    page.slide_to(4)
    page.point(20, 30, clicks=1)
    call_it(page, "cat")
    page.find("#list button[data-index='1']").click()
    page.slide_to(6)
    page.press("a")
    nodes = page.items()
    page.find("#list button[data-index='2']").click()
    page.slide_to(2)
    page.point(300, 100, clicks=1)

    text = downloaded(page, downloads, "selection.json", "selection", scope="all")
    assert json.loads(text) == {
        "uhseg_jax": "selection",
        "version": 1,
        "images": [
            {
                "name": result.title,
                "size": list(result.size),
                "num_nodes": int(result.tree.num_nodes),
                "tree": result.tree_id,
                "regions": regions,
            }
            for result, regions in zip(
                results,
                [
                    [{"name": "cat", "nodes": [3]}],
                    [{"name": "", "nodes": x} for x in nodes],
                    [{"name": "", "nodes": [1]}],
                ],
                strict=True,
            )
        ],
    }
    (tmp_path / "selection.json").write_bytes(text)
    read = read_selection(tmp_path / "selection.json")  # as uhseg-export does
    assert [x.tree_id for x in read] == [x.tree_id for x in results]
    badges = page.find("#list").find_elements(By.CSS_SELECTOR, "[data-chosen]")
    counts = [1, len(nodes), 1]
    assert [x.get_attribute("data-chosen") for x in badges] == list(map(str, counts))
    coco_text = downloaded(page, downloads, "coco.json", "coco", scope="all")
    (tmp_path / "coco.json").write_bytes(coco_text)
    coco = COCO(tmp_path / "coco.json")
    assert [x["name"] for x in coco.loadCats(coco.getCatIds())] == ["cat", "region"]
    assert [x["file_name"] for x in coco.imgs.values()] == [x.title for x in results]
    assert len(coco.anns) == 1 + len(nodes) + 1
    for annotation in coco.anns.values():
        tree = results[annotation["image_id"] - 1].tree
        mask = tree.masks()[annotation["nodes"]].any(0)
        np.testing.assert_array_equal(decode(annotation["segmentation"]), mask)
        assert annotation["area"] == mask.sum()
        rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        assert annotation["segmentation"]["counts"] == rle["counts"].decode()
        np.testing.assert_array_equal(annotation["bbox"], coco_mask.toBbox(rle))
    assert coco.anns[1]["category_id"] == 1

    # Loaded in a page where nothing is selected, it is the same again.
    page.js("sessionStorage.clear()")
    page.driver.get(path.as_uri())
    assert page.state("items") == []
    said = load(page, tmp_path, text.decode())
    assert said == f"read.json: {len(nodes) + 2} regions of 3 images loaded."
    assert page.items("name") == ["cat"]
    page.find("#list button[data-index='1']").click()
    assert page.items() == nodes


def test_large_images_get_masks_of_their_own_size(page, downloads, results, tmp_path):
    page.find("#list button[data-index='2']").click()
    page.slide_to(2)
    page.point(300, 100, clicks=1)
    page.press("s")
    assert "uhseg-export" in page.find("#exactly").text
    saved = downloaded(page, downloads, "c.1.mask.png", "mask")
    (tmp_path / "x.png").write_bytes(saved)
    with Image.open(tmp_path / "x.png") as image:
        mask = np.array(image) > 0
    np.testing.assert_array_equal(mask, results[2].tree.masks()[1])


_OTHERS = {
    "no JSON": ("{", "no JSON"),
    "something else": ({"images": []}, "something else"),
    "version": ({"version": 2}, "expected version 1"),
    "other images": ({"images": [{"name": "x.jpg"}]}, "other images.*a.jpg.*x.jpg"),
    "another tree": ({"images": [{"name": "a.jpg", "tree": "0"}]}, "a.jpg has other"),
    "no such node": ({"regions": [{"nodes": [99]}]}, "nodes from 0 to 6"),
    "no nodes": ({"regions": [{"nodes": []}]}, "nodes from 0 to 6"),
}


@pytest.mark.parametrize("case", list(_OTHERS))
def test_selections_that_do_not_fit_are_refused_in_a_sentence(
    page, results, tmp_path, case
):
    page.point(20, 30, clicks=1)
    changes, message = _OTHERS[case]
    content = changes
    if case == "something else":
        content = changes
    elif isinstance(changes, dict):
        image = {"name": "a.jpg", "tree": results[0].tree_id, "regions": []}
        image |= {k: v for k, v in changes.items() if k == "regions"}
        whole = {"uhseg_jax": "selection", "version": 1, "images": [image]}
        content = whole | {k: v for k, v in changes.items() if k != "regions"}
    said = load(page, tmp_path, content)
    assert re.search(message, said)
    assert said.count("\n") == 0
    assert page.items() == [[3]]


def test_images_of_a_selection_that_are_not_here_are_counted(page, results, tmp_path):
    known = {"name": "a.jpg", "tree": results[0].tree_id, "regions": [{"nodes": [2]}]}
    images = [known, {"name": "z.jpg"}]
    content = {"uhseg_jax": "selection", "version": 1, "images": images}
    said = load(page, tmp_path, content)
    assert said.endswith("1 image in it are not on this page.")
    assert page.items() == [[2]]


def _saved_through_a_page_of_a_cut(page, driver, results, tmp_path, downloads):
    """What is saved of a selection of whole trees after a visit of every image."""
    options = ExportOptions(choice=RegionChoice(num_regions=2, root=True))
    cut = write_page(tmp_path / "cut.html", results[::2], options)
    driver.get(cut.as_uri())
    regions = [{"name": "dog", "nodes": [3]}, {"name": "both", "nodes": [1, 5]}]
    images = [
        {
            "name": x.title,
            "size": list(x.size),
            "num_nodes": int(x.tree.num_nodes),
            "tree": x.tree_id,
            "regions": regions,
        }
        for x in results[::2]
    ]
    content = {"uhseg_jax": "selection", "version": 1, "images": images}
    said = [load(page, tmp_path, content)]
    page.find("#list button[data-index='1']").click()
    said.append(page.find("#message").text)
    saved = downloaded(page, downloads, "selection.json", "selection", scope="all")
    return said, content, json.loads(saved)


def test_a_page_of_a_cut_keeps_selected_regions_that_it_does_not_show(
    page, driver, results, tmp_path, downloads
):
    said, loaded, saved = _saved_through_a_page_of_a_cut(
        page, driver, results, tmp_path, downloads
    )
    assert saved == loaded
    assert all("2 regions selected here are not shown in full" in x for x in said)

    page.find("#chosen button").click()  # one that is not there at all
    assert page.find("#about").text == "dog · not shown in full by this page"
    page.press("s")
    page.find("#kinds [data-kind=mask]").click()
    assert "dog is not shown in full" in page.find("#load-trouble").text
    page.press("ESCAPE")
    page.press("a", "m")  # what is merged keeps what is not shown
    assert page.items() == [[0, 3, 5]]
