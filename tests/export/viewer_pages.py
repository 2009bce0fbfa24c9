"""The viewer's page with its parts by the names that a person would give them."""

import contextlib

import numpy as np
import pytest

from uhseg_jax.export import ExportOptions
from uhseg_jax.export.viewer import open_viewer, page_entry

pytest.importorskip("selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys


def write_page(path, results, options=None):
    """The page of some results."""
    with open_viewer(path) as page:
        for result in results:
            page.put("", page_entry(result, options or ExportOptions()))
    return path


def opened(driver, path):
    """The page as it is when it is opened for the first time; no errors at the end."""
    driver.get(path.as_uri())
    driver.execute_script("sessionStorage.clear()")
    driver.get(path.as_uri())
    yield Page(driver)
    errors = [one for one in driver.get_log("browser") if one["level"] == "SEVERE"]
    assert errors == []


class Page:
    """The page's parts by the names that a person would give them."""

    def __init__(self, driver):
        self.driver = driver

    def js(self, script, *arguments):
        return self.driver.execute_script(f"return {script}", *arguments)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def state(self, field):
        return self.js(f"viewer.state().{field}")

    def regions(self):
        height, width = self.state("size")
        return np.array(self.js("viewer.regionsAt()")).reshape(height, width)

    def slide_to(self, number):
        self.js(
            "((slider, value) => { slider.value = value;"
            "slider.dispatchEvent(new Event('input')); })(arguments[0], arguments[1])",
            self.find("#number"),
            number,
        )

    def point(self, row, column, *, clicks=0, shift=False):
        """Moves the pointer to the middle of a cell of the label map, and clicks."""
        with self.holding_shift() if shift else contextlib.nullcontext():
            actions = self._moved(row, column)
            for _ in range(clicks):
                actions.click()
            actions.perform()

    def drag(self, start, end):
        """Draws a box with shift from one cell of the label map to another."""
        with self.holding_shift():
            self._moved(*start).click_and_hold().perform()
            self._moved(*end).release().perform()

    def _moved(self, row, column):
        canvas = self.find("#regions")
        height, width = self.state("size")
        x = ((column + 0.5) / width - 0.5) * canvas.size["width"]
        y = ((row + 0.5) / height - 0.5) * canvas.size["height"]
        actions = ActionChains(self.driver, duration=10)
        return actions.move_to_element_with_offset(canvas, round(x), round(y))

    @contextlib.contextmanager
    def holding_shift(self):
        """The shift key is down within the block."""
        ActionChains(self.driver).key_down(Keys.SHIFT).perform()
        yield
        ActionChains(self.driver).key_up(Keys.SHIFT).perform()

    def press(self, *keys):
        """Keys by their names in selenium, or letters."""
        keys = [getattr(Keys, key, key) for key in keys]
        ActionChains(self.driver).send_keys(*keys).perform()

    def items(self, field="nodes"):
        """What is selected in the image that is shown."""
        return [item[field] for item in self.state("items")]

    def picked(self):
        return [x["nodes"] for x in self.state("items") if x["picked"]]

    def pixel(self, row, column):
        """RGBA of the drawn regions in the middle of a cell, after the next frame."""
        height, width = self.state("size")
        return self.driver.execute_async_script(
            """
            const [down, right, done] = arguments;
            requestAnimationFrame(() => requestAnimationFrame(() => {
              const canvas = document.getElementById("regions");
              const at = [right * canvas.width, down * canvas.height].map(Math.floor);
              done([...canvas.getContext("2d").getImageData(...at, 1, 1).data]);
            }));
            """,
            (row + 0.5) / height,
            (column + 0.5) / width,
        )
