"""The page of a comparison, opened from disk in headless Chromium."""

import re

import numpy as np
import pytest
from browser import chromium
from evaluations import wrote

from uhseg_jax.cli import compare

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    yield from chromium(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("runs"), np.random.default_rng(0)
    first = rng.uniform(0.2, 0.7, size=14)
    above = rng.normal([0, 0.1, -0.1], 0.01, size=(14, 3)).T
    runs = [
        wrote(folder / f"a long <b>name {i}", first + x, drawn=range(14))
        for i, x in enumerate(above)
    ]
    argv = ["uhseg-compare", *map(str, runs), f"--output={folder / 'out'}"]
    assert compare.main(argv) == 0
    return folder / "out" / "index.html"


def test_a_person_sees_which_run_is_better(driver, path):
    driver.get(path.as_uri())
    text = driver.find_element("css selector", "body").text
    words = " ".join(text.split())
    assert "a long <b>name 1 is better than a long <b>name 0" in words
    assert "a long <b>name 2 is worse than a long <b>name 0" in words
    assert "Of 14 images better on 14, worse on 0, equal on 0" in text
    # Each is named on the first screen.
    cards = driver.find_elements("css selector", ".verdict")
    assert all(x.rect["y"] + x.rect["height"] < 900 for x in cards)


def test_images_and_plots_are_all_there(driver, path):
    driver.get(path.as_uri())
    images = driver.execute_script(
        "return [...document.images].map(x => [x.naturalWidth, x.alt])"
    )
    assert len(images) == 14 * 2 + 14 * 3 * 2  # the ground truth once
    assert all(width > 100 and alt for width, alt in images)
    drawings = driver.find_elements("css selector", "svg")
    assert len(drawings) == 3  # differences, one curve over budgets, one of precision
    for drawing in drawings:
        assert drawing.rect["width"] > 200
        assert drawing.accessible_name
        assert drawing.aria_role in ("img", "image")
    assert [x for x in driver.get_log("browser") if x["level"] == "SEVERE"] == []


@pytest.mark.parametrize("width", [1200, 500])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_narrow_windows_and_dark_ones(driver, path, width, scheme):
    medium = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", medium)
    driver.set_window_size(width, 900)
    driver.get(path.as_uri())
    size = "return [document.documentElement.scrollWidth, window.innerWidth]"
    shown, there = driver.execute_script(size)
    assert shown <= there
    color = (
        "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    )
    brightness = [
        np.mean([int(x) for x in re.findall(r"\d+", driver.execute_script(color, *of))])
        for of in ((":root", "backgroundColor"), ("svg text", "fill"))
    ]
    paper, ink = brightness if scheme == "light" else brightness[::-1]
    assert paper > 200
    assert ink < 60
    driver.find_elements("css selector", "summary")[0].click()
    assert "full/miou" in driver.find_element("css selector", "body").text
