"""The built documentation, opened from disk as somebody without a network has it."""

import os
from pathlib import Path

import pytest
from browser import chromium

pytestmark = pytest.mark.browser

PHONE, DESK = 390, 1300


@pytest.fixture(scope="module")
def site():
    if "UHSEG_SITE" not in os.environ:
        pytest.skip("UHSEG_SITE names no folder with a site (mkdocs build)")
    return Path(os.environ["UHSEG_SITE"]).resolve()


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    yield from chromium(tmp_path_factory.mktemp("profile"))


def set_screen(driver, width, scheme):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


LOADED = "return performance.getEntriesByType('resource').map((x) => x.name)"
OVERFLOW = """
const wide = document.documentElement.scrollWidth;
return wide - document.documentElement.clientWidth"""
# Pictures that the page has, and could not show.
BROKEN = """
return [...document.images].filter((x) => x.complete && !x.naturalWidth)
    .map((x) => x.src)"""


@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_every_page_is_whole_and_fits(driver, site, width, scheme):
    set_screen(driver, width, scheme)
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    faults = {}
    for page in pages:
        if page.name == "404.html":
            continue  # its addresses are those of a server
        driver.get(page.as_uri())
        elsewhere = [
            x
            for x in driver.execute_script(LOADED)
            if not x.startswith(("file:", "data:", "blob:"))
        ]
        messages = [
            x["message"] for x in driver.get_log("browser") if x["level"] == "SEVERE"
        ]
        broken = driver.execute_script(BROKEN)
        overflow = driver.execute_script(OVERFLOW)
        if elsewhere or messages or broken or overflow > 0:
            faults[page.name] = (elsewhere, messages, broken, overflow)
    assert faults == {}


def test_the_search_finds_from_disk(driver, site):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    set_screen(driver, DESK, "light")
    driver.get((site / "index.html").as_uri())
    field = driver.find_element(By.CSS_SELECTOR, ".md-search__input")
    field.click()
    field.send_keys("ultrametric")
    found = WebDriverWait(driver, 30).until(
        lambda x: x.find_elements(By.CSS_SELECTOR, ".md-search-result__link")
    )
    links = [x.get_attribute("href") for x in found]
    assert any("#uhseg_jax.RegionTree.ultrametric" in x for x in links)
