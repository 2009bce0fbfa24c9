"""Categories look the same everywhere, and the page and files hold what was found."""

import html
import json
import re

import numpy as np
import pytest
from export_results import decoded, result_of
from PIL import Image
from trees import make_tree

from uhseg_jax.export import ExportOptions, Folder, categories_page, open_formats
from uhseg_jax.export.categories_page import thumbnail
from uhseg_jax.export.colors import category_colors
from uhseg_jax.export.labels import save_categories
from uhseg_jax.export.overlay import paint_categories


def flat_result(numbers, title="0.jpg", *, side=4, distances=None):
    """A background and regions of these categories, side by side."""
    n = len(numbers) + 2
    labels = np.repeat(np.arange(1, n), side)[None].repeat(side, 0)
    tree = make_tree(labels, [-1] + [0] * (n - 1), [0] + [1] * (n - 1), [0] * n)
    if distances is not None:
        distances = np.array([0, 0, *distances], np.float32)
    categories = np.array([0, 0, *numbers], np.int32)
    return result_of(tree, title, categories=categories, distances=distances)


def page_of(folder, *results, count=2):
    options = ExportOptions(num_categories=count)
    with open_formats(["html"], Folder(folder), options) as writer:
        for one in results:
            writer.add(one)
    return (folder / "index.html").read_text()


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
    save_categories(tmp_path / "map.png", categories, count=count)
    with Image.open(tmp_path / "map.png") as image:
        assert image.mode == ("L" if count < 256 else "I;16")
        np.testing.assert_array_equal(np.array(image), categories)
    save_categories(tmp_path / "map.png", categories, count=count, colored=True)
    with Image.open(tmp_path / "map.png") as image:
        shown = np.array(image.convert("RGB"))
    np.testing.assert_array_equal(shown, category_colors(count)[categories])
    with pytest.raises(ValueError, match="at most 65535"):
        save_categories(tmp_path / "map.png", categories, count=70000)


def test_a_thumbnail_is_dimmed_outside_its_region():
    inside = np.arange(200)[None].repeat(300, 0) < 100
    shown = decoded(thumbnail(np.full((300, 200, 3), 220, np.uint8), inside))
    assert shown.shape == (144, 96, 3)
    assert np.abs(shown[70, 20].astype(int) - 220).max() < 6
    assert np.abs(shown[70, 80].astype(int) - 77).max() < 6


def test_the_page_holds_every_category_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(categories_page, "_MAX_CROPS", 2)
    name = 'a<b>&"c".jpg'
    results = flat_result([1, 1, 2, 1], name), flat_result([1, 0], "plain.jpg")
    page = page_of(tmp_path, *results)
    assert "2 categories from 5 regions in 2 images" in page
    assert "4 regions in 2 images" in page
    assert "1 region in 1 image" in page
    assert "and 2 more" in page
    assert "a<b>" not in page
    assert page.count(f'title="{html.escape(name)}"') == 3
    sources = re.findall(r'src="([^"]+)"', page)
    assert [decoded(x).shape for x in sources] == [(4, 4, 3)] * 3
    assert page.rstrip().endswith("</html>")
    empty = page_of(tmp_path, flat_result([0]), count=0)
    assert "No image has a foreground" in empty


def test_the_page_shows_the_regions_nearest_to_each_centroid(tmp_path, monkeypatch):
    monkeypatch.setattr(categories_page, "_MAX_CROPS", 3)
    distances = np.random.default_rng(0).permutation(12).reshape(4, 3) // 2
    results = [
        flat_result([1, 1, 1], f"{i}.jpg", distances=row)
        for i, row in enumerate(distances)
    ]
    drawn = []
    monkeypatch.setattr(
        categories_page, "thumbnail", lambda *x: drawn.append(x) or thumbnail(*x)
    )
    page = page_of(tmp_path, *results, count=1)
    assert len(drawn) < distances.size  # those that are too far are not drawn
    # Of equal distances the first.
    nearest = np.argsort(distances.ravel(), kind="stable")[:3] // 3
    assert re.findall(r'title="(\d).jpg"', page) == [str(i) for i in nearest]


def test_coco_files_hold_regions_under_their_categories(tmp_path):
    options = ExportOptions(num_categories=8)
    with open_formats(["coco"], Folder(tmp_path), options) as writer:
        writer.add(flat_result([], "empty.jpg"))
        writer.add(flat_result([7, 0, 7], "some.jpg"))
        with pytest.raises(ValueError, match=r"wrong\.jpg: .*categories from 0 to 8"):
            writer.add(flat_result([9], "wrong.jpg"))
    document = json.loads((tmp_path / "coco.json").read_text())
    names = [f"category {i:02}" for i in range(1, 9)]
    assert [x["name"] for x in document["categories"]] == names
    assert [x["id"] for x in document["categories"]] == list(range(1, 9))
    assert [x["file_name"] for x in document["images"]] == ["empty.jpg", "some.jpg"]
    found = [
        (x["id"], x["image_id"], x["category_id"], x["parent_id"], x["node"], x["area"])
        for x in document["annotations"]
    ]
    assert found == [(1, 2, 7, None, 2, 16), (2, 2, 7, None, 4, 16)]
