"""A tree shown in a notebook's cell: the page in a frame, with all its hands."""

import html
import re

import numpy as np
import pytest
from browser import chromium
from PIL import Image
from trees import on_device, quadrants

from uhseg_jax.hierarchy.tree import stacked
from uhseg_jax.images import ImageError

IMAGE = Image.fromarray(np.full((80, 120, 3), 200, np.uint8))


def test_a_cell_holds_the_page_in_a_frame_and_nothing_escapes_it():
    shown = quadrants().show(title='"><script>')
    cell = shown._repr_html_()
    (source,) = re.findall(r'<iframe srcdoc="([^"]*)"', cell)
    assert html.unescape(source) == shown.page
    assert cell.count("<") == 2
    assert 'data-name="&quot;&gt;&lt;script&gt;"' in shown.page
    assert "height: 720px" in cell
    assert len(repr(shown)) < 200


def test_trees_of_any_grid_and_device_are_shown_with_an_image(tmp_path):
    on_grid = on_device(quadrants(8, 12)).show(IMAGE, title="a")
    at_size = quadrants(80, 120).show(np.asarray(IMAGE), title="a")
    assert on_grid.page == at_size.page
    on_grid.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text("utf-8") == on_grid.page


def test_an_image_is_called_as_its_file(tmp_path):
    IMAGE.save(tmp_path / "my photo.png")
    for image in (tmp_path / "my photo.png", str(tmp_path / "my photo.png")):
        assert 'data-name="my photo.png"' in quadrants(80, 120).show(image).page
    page = quadrants(80, 120).show(tmp_path / "my photo.png", title="a").page
    assert 'data-name="a"' in page
    for image in (None, IMAGE):
        assert 'data-name="Tree of regions"' in quadrants(80, 120).show(image).page


def test_what_cannot_be_shown_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(TypeError, match="batch"):
        stacked([quadrants()]).show()
    with pytest.raises(ValueError, match="height"):
        quadrants().show(height=10)
    with pytest.raises(ImageError, match=r"none\.jpg"):
        quadrants().show(tmp_path / "none.jpg")


@pytest.mark.browser
def test_the_page_works_inside_a_frame(tmp_path):
    cell = quadrants(80, 120).show(IMAGE, title="photo")._repr_html_()
    (tmp_path / "notebook.html").write_text(f"<!doctype html><body>{cell}</body>")
    for driver in chromium(tmp_path / "profile"):
        driver.get((tmp_path / "notebook.html").as_uri())
        driver.switch_to.frame(0)
        assert driver.execute_script("return viewer.state().regions") == [3, 4, 5, 6]
        driver.find_element("css selector", "#shares button").click()
        assert driver.execute_script("return viewer.state().items[0].nodes") == [3]
        errors = [x for x in driver.get_log("browser") if x["level"] == "SEVERE"]
        assert errors == []
