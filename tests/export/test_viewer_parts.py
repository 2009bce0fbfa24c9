"""Pages of many images and similar regions, used in headless Chromium."""

import dataclasses

import numpy as np
import pytest
from browser import chromium
from export_results import result_of
from trees import random_tree

from uhseg_jax import DescribedTree, similar_regions
from uhseg_jax.export import ExportOptions, Folder
from uhseg_jax.export.viewer import HTML, page

pytestmark = pytest.mark.browser

COUNT = 9


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    yield from chromium(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def results():
    """Images with regions of few kinds, each with descriptors of its own."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(6, 48))
    made = []
    for i in range(COUNT):
        tree = random_tree(i, height=40, width=60, num_splits=6)
        leaves = rng.integers(0, 6, int(tree.num_nodes))
        features = kinds[leaves][tree.labels] + 0.2 * rng.normal(size=48) + 2
        found = tree.describe(features)
        title = f"folder/{i}.jpg"
        made.append(result_of(tree, title, name=str(i), gray=20 * i, descriptors=found))
    return made


def write(folder, results):
    with HTML.open(Folder(folder), ExportOptions()) as writer:
        for result in results:
            writer.put(result.name, HTML.render(result, ExportOptions()))
    return folder


@pytest.fixture(scope="module")
def whole(results, tmp_path_factory):
    return write(tmp_path_factory.mktemp("whole"), results)


@pytest.fixture
def parted(results, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MOST_IN_ONE_FILE", 3)
    sizes = {"images": 2, "thumbnails": 4, "similar": 5}
    monkeypatch.setattr(page, "_IN_A_PART", sizes)
    return write(tmp_path, results)


def wait(driver, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 10, poll_frequency=0.02).until(
        lambda _: driver.execute_script(f"return {condition}")
    )


def open_page(driver, folder, address=""):
    driver.get("about:blank")
    driver.get((folder / "index.html").as_uri() + address)
    wait(driver, "viewer.state().image >= 0")


def show(driver, index):
    button = driver.find_element("css selector", f"#list button[data-index='{index}']")
    driver.execute_script("arguments[0].click()", button)
    wait(driver, f"viewer.state().image === {index}")


def test_images_in_parts_come_when_they_are_looked_at(driver, parted, results):
    open_page(driver, parted)
    assert driver.execute_script("return document.scripts.length") == 2
    for index in (8, 0, 5, 3, 4, 8):
        show(driver, index)
        tree = results[index].tree
        assert driver.execute_script("return viewer.regionsAt()") == list(
            tree.cut(num_regions=8).ravel()
        )
        assert driver.title == results[index].title
    wait(driver, "[...document.querySelectorAll('#list img')].every(x => x.src)")
    open_page(driver, parted, "#image=folder%2F6.jpg&regions=2")
    assert driver.execute_script("return viewer.state().image") == 6
    assert driver.get_log("browser") == []


def test_parts_that_are_missing_or_of_another_run_are_told(driver, parted):
    open_page(driver, parted)
    message = "document.getElementById('message').textContent"
    (parted / "index/0003.js").unlink()
    other = (parted / "index/0004.js").read_text()
    (parted / "index/0004.js").write_text(other.replace('4, "', '4, "0'))
    (parted / "index/0005.js").write_text("what is this?")
    for index, words in (
        (4, "0003.js is not there"),
        (6, "0004.js is of another run"),
        (8, "0005.js is damaged"),
    ):
        button = f"#list button[data-index='{index}']"
        driver.execute_script(f'document.querySelector("{button}").click()')
        wait(driver, f"{message}.includes('{words}')")
        assert driver.execute_script("return viewer.state().image") == 0
    show(driver, 1)
    driver.get_log("browser")


def alike(driver):
    """The regions that the page lists, and the cosines it says."""
    wait(driver, "!document.getElementById('alike').hidden")
    wait(driver, "document.querySelectorAll('#alike-list li').length")
    wait(driver, "!/search/.test(document.getElementById('alike-of').textContent)")
    found = driver.execute_script(
        "return [...document.querySelectorAll('#alike-list button')].map("
        "x => [x.title, x.textContent])"
    )
    return [
        (int(title.split()[-1].split("/")[1][:-4]), int(title.split()[1]), float(text))
        for title, text in found
    ]


@pytest.mark.parametrize("where", ["whole", "parted"])
def test_similar_regions_are_those_that_python_finds(driver, results, where, request):
    folder = request.getfixturevalue(where)
    trees = [DescribedTree(x.tree, x.descriptors) for x in results]
    index, node = 4, 3
    open_page(driver, folder, f"#image=folder%2F{index}.jpg&region={node}")
    driver.find_element("id", "similar").click()
    found = alike(driver)
    wanted = similar_regions(trees[index], node, trees, k=24, min_area=0.004)
    assert len(found) == len(wanted) == 24
    exact = {(x.image, x.node): x.similarity for x in wanted}
    # Small numbers take places next to one another from each other.
    assert len({x[:2] for x in found[:12]} & set(exact)) >= 11
    for image, node, cosine in found:
        if (image, node) in exact:
            assert cosine == pytest.approx(exact[image, node], abs=0.1)
    driver.find_element("css selector", "#alike-list button").click()
    image, node, _ = found[0]
    wait(driver, f"viewer.state().image === {image}")
    picked = driver.execute_script("return viewer.state().items.map(x => x.nodes)")
    assert picked == [[node]]
    driver.find_element("id", "alike-close").click()
    assert not driver.find_element("id", "alike").is_displayed()
    assert driver.get_log("browser") == []


def test_pages_without_descriptors_offer_no_comparison(driver, results, tmp_path):
    plain = [dataclasses.replace(x, descriptors=None) for x in results[:2]]
    write(tmp_path, plain)
    open_page(driver, tmp_path, "#region=1")
    assert not driver.find_element("id", "similar").is_displayed()
    mixed = write(tmp_path / "mixed", [plain[0], *results[1:3]])
    open_page(driver, mixed, "#image=folder%2F1.jpg&region=1")
    driver.find_element("id", "similar").click()
    assert {x[0] for x in alike(driver)} == {1, 2}
    show(driver, 0)
    driver.get((mixed / "index.html").as_uri() + "#image=folder%2F0.jpg&region=1")
    driver.find_element("id", "similar").click()
    wait(
        driver,
        "/cannot|too small/.test(document.getElementById('alike-of').textContent)",
    )
