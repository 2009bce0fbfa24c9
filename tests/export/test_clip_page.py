"""The page of a clip, opened from disk in headless Chromium."""

import time

import numpy as np
import pytest
from browser import chromium
from clip_results import clip_of, disc_clip, write_clip
from viewer_pages import opened

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    yield from chromium(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def tree():
    return disc_clip()[0]


@pytest.fixture(scope="module")
def path(tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return write_clip(folder, clip_of(tree), disc_clip()[1], ["html"]) / "index.html"


@pytest.fixture
def page(driver, path):
    yield from opened(driver, path)


def go_to(page, frame):
    page.js(
        "((slider, value) => { slider.value = value;"
        "slider.dispatchEvent(new Event('input')); })(arguments[0], arguments[1])",
        page.find("#frame-number"),
        frame,
    )
    arrive(page, lambda: page.state("frame") == frame)


def arrive(page, there, seconds=5):
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)
    # Pixels come a moment later than the number.
    page.driver.execute_async_script(
        "requestAnimationFrame(() => setTimeout(arguments[0], 50))"
    )


def test_two_sliders_show_a_cut_of_a_frame(page, tree):
    for number in (2, 3, 4):
        page.slide_to(number)
        cut = np.asarray(tree.cut(num_regions=number))
        for frame in (5, 1, 3):
            go_to(page, frame)
            assert (page.regions() == cut[frame - 1]).all()
            assert page.find("#shown").text == str(np.unique(cut).size)
    assert page.find("#frame-count").text == "of 5"


def test_playing_goes_round_and_pauses(page):
    page.find("#play").click()
    seen = set()
    arrive(page, lambda: seen.add(page.state("frame")) or len(seen) == 5)
    page.find("#play").click()
    frame = page.state("frame")
    time.sleep(0.3)
    assert page.state("frame") == frame
    assert page.find("#play").get_attribute("aria-label") == "Play"


def test_the_address_leads_to_the_frame(page, path, driver):
    go_to(page, 4)
    arrive(page, lambda: "frame=4" in driver.current_url)
    driver.get("about:blank")
    driver.get(path.as_uri() + "#image=disc.mov&regions=3&frame=2")
    arrive(page, lambda: page.state("frame") == 2)
    assert page.state("number") == 3


def test_the_regions_are_those_of_the_frame_if_it_is_asked_for_twice(page, tree):
    cut = np.asarray(tree.cut(num_regions=page.state("number")))
    go_to(page, 1)
    page.js(
        "[5, 5].forEach((value) => { arguments[0].value = value;"
        "arguments[0].dispatchEvent(new Event('input')); })",
        page.find("#frame-number"),
    )
    arrive(page, lambda: page.state("frame") == 5)
    assert (page.regions() == cut[4]).all()


def test_an_address_beyond_the_last_frame_leads_to_it(page, path, driver):
    driver.get("about:blank")
    driver.get(path.as_uri() + "#image=disc.mov&regions=3&frame=9")
    arrive(page, lambda: page.state("frame") == 5)


def test_what_is_selected_is_a_region_of_all_frames(page):
    page.slide_to(2)
    page.find("#shares button").click()
    assert "of the clip" in page.find("#about").text
    before = page.state("items")
    go_to(page, 2)
    assert page.state("items") == before
