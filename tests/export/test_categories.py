"""Categories look the same everywhere, and the page and files hold what was found."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from uhseg_jax.export.category_overlay import (
    category_colors,
    paint_categories,
    save_category_map,
)

from uhseg_jax.export.categories_page import (
    Category,
    save_categories_page,
    thumbnail,
)
from uhseg_jax.export.coco import CocoWriter
from uhseg_jax.methods.multilevel_clustering.regions import flat_tree

LABELS = np.array([[0, 0, 1], [2, 2, 1]])


def test_colours_differ_and_the_background_is_black():
    colors = category_colors(20)
    assert colors.shape == (21, 3)
    assert not colors[0].any()
    assert len(np.unique(colors, axis=0)) == 21
    assert category_colors(0).shape == (1, 3)


def test_the_sheet_shows_the_image_and_dims_its_background():
    image = np.full((12, 16, 3), 200, np.uint8)
    categories = np.zeros((12, 16), np.int32)
    categories[4:8, 4:8] = 2
    sheet = paint_categories(image, categories, categories, count=3)
    assert sheet.shape[0] == 12
    np.testing.assert_array_equal(sheet[:, :16], image)
    painted = sheet[:, -16:].astype(int)
    assert painted[0, 0].max() < 100
    color = category_colors(3)[2].astype(int)
    assert np.abs(painted[6, 6] - (0.45 * 200 + 0.55 * color)).max() <= 1


@pytest.mark.parametrize("count", [3, 255, 256, 3000])
def test_label_maps_hold_category_ids(tmp_path, count):
    categories = np.array([[0, 1], [2, count]], np.int32)
    save_category_map(tmp_path / "map.png", categories, count=count)
    with Image.open(tmp_path / "map.png") as picture:
        assert (picture.mode == "P") == (count < 256)
        np.testing.assert_array_equal(np.array(picture), categories)


def test_more_categories_than_a_png_can_number_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at most 65535"):
        save_category_map(tmp_path / "map.png", LABELS, count=70000)


def test_a_thumbnail_is_dimmed_outside_its_region():
    crop = np.full((300, 200, 3), 220, np.uint8)
    inside = np.zeros((300, 200), bool)
    inside[:, :100] = True
    with Image.open(io.BytesIO(thumbnail(crop, inside))) as picture:
        assert picture.size == (96, 144)
        pixels = np.array(picture.convert("L")).astype(int)
    assert abs(pixels[70, 20] - 220) < 6
    assert abs(pixels[70, 80] - 77) < 6


def test_the_page_holds_every_category_by_itself(tmp_path):
    jpeg = thumbnail(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), bool))
    names = ['a<b>&"c".jpg', "plain.jpg"]
    categories = [
        Category("category 01", 3, 2, [(name, jpeg) for name in names]),
        Category("category 02", 1, 1, [("plain.jpg", jpeg)]),
    ]
    save_categories_page(tmp_path / "page.html", categories, num_images=2)
    page = (tmp_path / "page.html").read_text()
    assert "2 categories from 4 regions in 2 images" in page
    assert "and 1 more" in page
    assert "a<b>" not in page
    assert "a&lt;b&gt;&amp;&quot;c&quot;.jpg" in page
    sources = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert [base64.b64decode(x) for x in sources] == [jpeg] * 3
    assert page.rstrip().endswith("</html>")
    save_categories_page(tmp_path / "none.html", [], num_images=1)
    assert "No image has a foreground" in (tmp_path / "none.html").read_text()


def test_coco_files_hold_regions_under_their_categories(tmp_path):
    tree, label = flat_tree(LABELS)
    ids = np.array([0, 7, 7])[np.maximum(label, 0)] * (label > 0)
    with CocoWriter(
        tmp_path / "coco.json", categories=[f"c{i}" for i in range(8)]
    ) as w:
        empty, _ = flat_tree(np.zeros((2, 2), int))
        w.add("empty.jpg", (2, 2), empty, category_ids=np.array([0]))
        w.add("some.jpg", (2, 3), tree, category_ids=ids)
        with pytest.raises(ValueError, match="category ids from 0 to 8"):
            w.add("wrong.jpg", (2, 3), tree, category_ids=np.array([0, 9, 1, 1]))
    document = json.loads((tmp_path / "coco.json").read_text())
    assert [x["id"] for x in document["categories"]] == list(range(1, 9))
    assert [x["file_name"] for x in document["images"]] == ["empty.jpg", "some.jpg"]
    found = [
        (x["id"], x["image_id"], x["category_id"], x["parent_id"], x["node"], x["area"])
        for x in document["annotations"]
    ]
    assert found == [(1, 2, 7, None, 2, 2), (2, 2, 7, None, 3, 2)]
