"""The viewer's page, opened from disk in headless Chromium and used like a person."""

import numpy as np
import pytest
from browser import chromium
from export_results import result_of
from trees import quadrants, random_tree
from viewer_pages import opened, write_page

from uhseg_jax.export.colors import node_colors
from uhseg_jax.export.viewer import open_viewer

pytestmark = pytest.mark.browser

NAMES = ['<b>first</b> & "quoted".jpg', "second.jpg", "third.jpg"]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    yield from chromium(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def trees():
    # Lines are long and regions large, so that a pointer can aim at them.
    large = random_tree(5, height=60, width=90, num_splits=12, padding=3)
    return [quadrants(80, 120), large, random_tree(7, height=1, width=1)]


@pytest.fixture(scope="module")
def path(trees, tmp_path_factory):
    results = [
        result_of(tree, name, gray=128) for name, tree in zip(NAMES, trees, strict=True)
    ]
    return write_page(tmp_path_factory.mktemp("page") / "index.html", results)


@pytest.fixture
def page(driver, path):
    yield from opened(driver, path)


def test_slider_shows_the_cuts_of_the_tree(page, trees):
    for index in (0, 1):
        page.find(f"#list button[data-index='{index}']").click()
        leaves = page.state("most")
        assert leaves == np.unique(trees[index].labels).size
        for number in range(1, leaves + 1):
            page.slide_to(number)
            cut = np.asarray(trees[index].cut(num_regions=number))
            np.testing.assert_array_equal(page.regions(), cut)
            assert page.find("#shown").text == str(np.unique(cut).size)
            assert sorted(page.state("regions")) == np.unique(cut).tolist()


def test_hover_names_the_region_under_the_pointer(page, trees):
    page.slide_to(3)
    page.point(20, 30)
    assert page.state("hovered") == 3
    about = page.find("#about").text
    assert about == "Region 3 · 25 % of the image · depth 2 · cost 0.40 · no parts"
    page.point(20, 90)
    assert page.state("hovered") == 2
    assert page.find("#about").text.startswith("Region 2 · 50 %")
    assert page.find("#shares .hovered").get_attribute("data-node") == "2"


def test_two_clicks_go_inside_and_the_ways_up_lead_back(page, trees):
    page.slide_to(2)
    page.point(20, 30, clicks=2)
    assert page.state("path") == [0, 1]
    assert page.items() == []  # the first click is not a choice
    expected = np.where(np.isin(trees[0].labels, [3, 4]), trees[0].labels, -1)
    np.testing.assert_array_equal(page.regions(), expected)
    assert page.find("#path").text.split("\n")[-1].endswith("Region 1")

    page.point(20, 90, clicks=1)  # outside
    assert page.state("path") == [0]
    assert page.state("number") == 2  # the cut from which we went down

    page.point(20, 90, clicks=2)
    assert page.state("path") == [0, 2]
    page.press("ESCAPE")
    assert page.state("path") == [0]

    page.point(20, 90, clicks=2)
    page.find("#up").click()
    assert page.state("path") == [0]
    assert not page.find("#up").is_enabled()

    page.point(20, 90, clicks=1)
    page.find("#inside").click()
    page.find("#path button").click()
    assert page.state("path") == [0]


def test_slider_divides_the_region_that_was_gone_into(page):
    page.slide_to(2)
    page.point(20, 30, clicks=2)
    assert page.state("most") == 2
    page.slide_to(1)
    assert page.state("regions") == [1]
    page.point(20, 30, clicks=2)
    assert page.state("regions") == [3, 4]


def test_a_region_without_parts_says_so(page):
    page.slide_to(4)
    page.point(20, 30, clicks=2)
    assert page.state("path") == [0]
    assert "not divided further" in page.find("#about").text
    page.point(20, 30, clicks=1)
    assert not page.find("#inside").is_enabled()


def test_fill_lines_and_opacity_are_drawn_as_set(page, trees):
    colors = node_colors(trees[0]).tolist()
    page.slide_to(2)
    red, green, blue, alpha = page.pixel(60, 100)
    np.testing.assert_allclose([red, green, blue], colors[2], atol=2)
    assert alpha == pytest.approx(0.55 * 255, abs=1)
    assert page.pixel(60, 59)[:3] != colors[1]  # the line between the halves
    page.find("#fill").click()
    assert page.pixel(60, 100)[3] == 0
    assert not page.find("#opacity").is_enabled()
    page.find("#lines").click()
    page.find("#fill").click()
    page.slide_to(3)
    np.testing.assert_allclose(page.pixel(20, 30)[:3], colors[3], atol=2)
    np.testing.assert_allclose(page.pixel(60, 100)[:3], colors[2], atol=2)


def test_arrow_keys_change_regions_and_images(page):
    assert page.state("number") == 4  # as many as there are, below the first eight
    page.press("ARROW_LEFT")
    assert page.state("number") == 3
    page.press("ARROW_RIGHT")
    assert page.state("number") == 4
    page.press("ARROW_DOWN")
    assert page.state("image") == 1
    page.press("ARROW_UP")
    page.press("ARROW_UP")
    assert page.state("image") == 0


def test_names_are_shown_as_text(page):
    assert page.find("#name").text == NAMES[0]
    assert page.find("#list button").text == NAMES[0]
    assert page.find("#photo").get_attribute("alt") == NAMES[0]
    assert page.driver.title == NAMES[0]
    assert page.js("document.querySelectorAll('#list b').length") == 0


def test_an_image_of_one_pixel_can_be_looked_at(page):
    page.find("#list button[data-index='2']").click()
    assert page.state("regions") == [0]
    assert not page.find("#number").is_enabled()
    page.point(0, 0, clicks=2)
    assert page.state("path") == [0]


def test_everything_that_acts_has_a_name(page):
    unnamed = page.js(
        """[...document.querySelectorAll("button, input, canvas, img#photo")]
        .filter((one) => !(one.ariaLabel || one.alt || one.textContent.trim()
          || one.labels?.length)).map((one) => one.outerHTML)"""
    )
    assert unnamed == []


def test_on_a_phone_nothing_is_cut_off_and_taps_select_and_go_inside(page):
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        page.find("#list button[data-index='1']").click()
        page.press("ARROW_UP")
        page.js("scrollTo(0, 0)")
        page.slide_to(2)
        assert page.js("document.documentElement.scrollWidth") == 360
        _tap(page)
        assert page.picked() == [[1]]
        cut_off = page.js(
            """[...document.querySelectorAll("main *, .images > *")]
            .filter((one) => one.checkVisibility() && !one.closest("svg, #chosen")
              && one.getBoundingClientRect().right > 360)
            .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert cut_off == []
        small = page.js(
            """[...document.querySelectorAll("main button:not(#shares *)")]
            .filter((one) => one.checkVisibility()
              && one.getBoundingClientRect().height < 40)
            .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert small == []  # too small for a finger
        page.press("ESCAPE")
        _tap(page)
        _tap(page)
        assert page.state("path") == [0, 1]
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def _tap(page):
    """A finger on the upper left quarter of the image."""
    box = page.js(
        "arguments[0].getBoundingClientRect().toJSON()", page.find("#regions")
    )
    point = {"x": box["x"] + box["width"] / 4, "y": box["y"] + box["height"] / 4}
    for kind, touches in (("touchStart", [point]), ("touchEnd", [])):
        page.driver.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches}
        )
    page.pixel(0, 0)  # a frame later


def test_an_empty_run_says_so(driver, tmp_path):
    with open_viewer(tmp_path / "index.html"):
        pass
    driver.get((tmp_path / "index.html").as_uri())
    assert "no images here" in driver.find_element("css selector", "body").text
