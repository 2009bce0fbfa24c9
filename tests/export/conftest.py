"""A page of four images in a browser, which saves files to a folder."""

import pytest
from browser import chromium
from export_results import result_of
from trees import quadrants, random_tree
from viewer_pages import opened, write_page


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(tmp_path_factory, downloads):
    for driver in chromium(tmp_path_factory.mktemp("profile")):
        driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior",
            {"behavior": "allow", "downloadPath": str(downloads)},
        )
        yield driver


@pytest.fixture(scope="module")
def results():
    noisy = random_tree(5, height=60, width=90, num_splits=12, padding=3)
    return [
        result_of(quadrants(80, 120), "a.jpg"),
        result_of(noisy, "sub/b c.jpg"),
        result_of(quadrants(600, 1000), "c.jpg", gray=90),
    ]


@pytest.fixture(scope="module")
def path(results, tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "index.html", results)


@pytest.fixture
def page(driver, path):
    yield from opened(driver, path)
