"""The address of the page: what is shown stands there, and comes back."""

import time

import pytest
from selecting import call_it

pytestmark = pytest.mark.browser


def test_a_link_shows_image_number_and_region(page, path, driver):
    driver.get(f"{path.as_uri()}#image=c.jpg&regions=2&inside=1&region=4")
    assert page.state("image") == 2
    assert page.state("path") == [0, 1]
    assert page.state("number") == 2
    assert page.picked() == [[4]]
    driver.get(f"{path.as_uri()}#image=sub%2Fb+c.jpg&regions=5")
    assert page.state("image") == 1
    assert page.state("number") == 5
    driver.get(f"{path.as_uri()}#image=gone.jpg&regions=x&inside=77&region=-3")
    assert "gone.jpg, which is not among" in page.find("#message").text
    assert page.state("image") == 1


def test_back_and_forward_go_the_way_that_was_taken(page, driver):
    page.slide_to(2)
    page.point(20, 30, clicks=2)
    page.find("#list button[data-index='1']").click()
    page.slide_to(4)
    time.sleep(0.3)  # an address is written when the slider rests
    driver.back()
    assert (page.state("image"), page.state("path")) == (0, [0, 1])
    driver.back()
    assert (page.state("image"), page.state("path")) == (0, [0])
    assert page.state("number") == 2
    driver.forward()
    driver.forward()
    assert (page.state("image"), page.state("number")) == (1, 4)


def test_reloading_shows_the_same_and_keeps_what_was_selected(page, driver):
    page.find("#list button[data-index='1']").click()
    page.slide_to(5)
    page.press("a")
    page.press("m")
    call_it(page, "all")
    page.find("#list button[data-index='0']").click()
    page.slide_to(3)
    page.point(20, 30, clicks=1)
    time.sleep(0.3)  # an address is written when the slider rests
    driver.refresh()
    assert (page.state("image"), page.state("number")) == (0, 3)
    assert page.picked() == [[3]]
    page.find("#list button[data-index='1']").click()
    assert page.items("name") == ["all"]


def test_a_browser_that_stores_nothing_is_no_error(page, driver, path):
    source = "Object.defineProperty(window, 'sessionStorage', {get() {throw 1}})"
    script = driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": source}
    )
    try:
        driver.get(path.as_uri())
        page.slide_to(4)
        page.point(20, 30, clicks=1)
        assert page.picked() == [[3]]
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_the_number_stays_from_image_to_image(page):
    page.find("#list button[data-index='1']").click()
    page.slide_to(7)
    page.press("ARROW_UP")
    assert page.state("number") == 4  # all there are
    page.press("ARROW_DOWN")
    assert page.state("number") == 7
