"""Regions selected in the viewer's page, and what the page lets out of them."""

import json
import re
import time

import numpy as np
import pytest
from browser import chromium
from export_results import decoded, result_of
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from selenium.webdriver.common.by import By
from trees import quadrants, random_tree
from viewer_pages import opened, write_page

from uhseg_jax.export import ExportOptions
from uhseg_jax.export.selections import read_selection
from uhseg_jax.hierarchy.region_choice import RegionChoice
from uhseg_jax.run_lengths import decode

pytestmark = pytest.mark.browser


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


def _downloaded(page, folder, name, kind, scope=None):
    """The file that a kind of the dialog saves, read and taken away."""
    if not page.find("#save").is_displayed():
        page.find("#take").click()
    if scope:
        page.find(f"[name=scope][value={scope}]").click()
    page.find(f"#kinds [data-kind={kind}]").click()
    return _waited_for(folder / name)


def _waited_for(file):
    for _ in range(200):
        if file.exists() and not list(file.parent.glob("*.crdownload")):
            break
        time.sleep(0.02)
    content = file.read_bytes()
    file.unlink()
    return content


def _name(page, name):
    page.press("n")
    page.press(*name, "ENTER")


def _load(page, tmp_path, content):
    """Loads a selection file; what the page says of it."""
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "read.json").write_text(text)
    page.press("s")
    page.find("#load").send_keys(str(tmp_path / "read.json"))
    for _ in range(100):
        if page.find("#message").text:
            return page.find("#message").text
        time.sleep(0.02)
    raise AssertionError("the page says nothing")


# -- selecting --------------------


def test_clicks_select_and_with_shift_add_and_take_away(page):
    page.slide_to(3)
    page.point(20, 30, clicks=1)
    assert page.picked() == [[3]]
    page.point(60, 30, clicks=1, shift=True)
    page.point(20, 90, clicks=1, shift=True)
    assert page.picked() == [[3], [4], [2]]
    assert page.find("#about").text == "3 regions selected · 100 % of the image"
    page.point(60, 30, clicks=1, shift=True)
    assert page.picked() == [[3], [2]]
    page.point(60, 30, clicks=1)
    assert page.items() == [[4]]
    page.press("ESCAPE")
    assert page.items() == []


def test_a_part_of_what_is_selected_is_taken_out_of_it(page):
    page.slide_to(2)
    page.point(20, 90, clicks=1)
    page.slide_to(4)
    page.point(20, 90, clicks=1, shift=True)
    assert page.picked() == [[6]]
    page.slide_to(2)
    page.point(20, 90, clicks=1, shift=True)  # what is around takes its place
    assert page.picked() == [[2]]


def test_a_box_adds_the_regions_of_which_it_holds_half(page):
    page.slide_to(4)
    page.point(60, 90, clicks=1)
    page.drag((2, 5), (30, 70))  # most of 3, a little of 5
    assert page.picked() == [[6], [3]]
    page.drag((2, 5), (78, 118))
    assert sorted(page.picked()) == [[3], [4], [5], [6]]


def test_several_can_be_selected_without_a_shift_key(page):
    page.slide_to(4)
    page.js("arguments[0].click()", page.find("#several"))  # on touch screens only
    page.point(20, 30, clicks=1)
    page.point(60, 90, clicks=1)
    assert page.picked() == [[3], [6]]


def test_merged_regions_are_one_wherever_the_slider_is(page):
    page.slide_to(4)
    page.point(20, 30, clicks=1)
    page.point(60, 90, clicks=1, shift=True)
    page.press("m")
    assert page.picked() == [[3, 6]]
    page.press("ESCAPE")
    assert page.items() == [[3, 6]]
    for number in (4, 1):
        page.slide_to(number)
        assert page.js("viewer.regionAt(20, 30)") == page.js("viewer.regionAt(60, 90)")
        assert page.js("viewer.regionAt(20, 90)") != page.js("viewer.regionAt(60, 90)")
    page.point(60, 90, clicks=1)
    assert page.picked() == [[3, 6]]
    page.press("DELETE")
    assert page.items() == []
    assert page.js("viewer.regionAt(60, 90)") == 0


def test_all_parts_of_a_region_merge_into_it(page):
    page.slide_to(4)
    page.press("a", "m")
    assert page.items() == [[0]]
    page.js("document.activeElement.blur()")
    page.driver.execute_cdp_cmd(
        "Input.dispatchKeyEvent",
        {"type": "keyDown", "key": "z", "code": "KeyZ", "modifiers": 2},
    )
    assert sorted(page.items()) == [[3], [4], [5], [6]]  # undone


def test_a_name_keeps_a_region_and_is_shown_where_it_lies(page):
    page.slide_to(4)
    page.point(20, 30, clicks=1)
    _name(page, "cat & <b>")
    page.press("n", "x", "ESCAPE")
    assert page.items("name") == ["cat & <b>"]
    page.point(60, 90, clicks=1)
    assert page.items() == [[3], [6]]
    page.point(60, 30, clicks=1)
    assert page.items() == [[3], [4]]
    assert page.items("name") == ["cat & <b>", ""]
    assert page.find("#tags span").text == "cat & <b>"
    page.point(20, 30)
    assert page.find("#about").text.startswith("cat & <b> · 25 %")
    page.find("#labels").click()
    assert page.driver.find_elements(By.CSS_SELECTOR, "#tags span") == []
    page.slide_to(1)  # named regions have an inside
    page.point(20, 30, clicks=1)
    assert page.picked() == [[3]]


def test_going_inside_a_kept_region_shows_its_parts(page):
    page.slide_to(2)
    page.point(20, 30, clicks=1)
    _name(page, "left")
    page.point(20, 30, clicks=2)
    assert page.state("path") == [0, 1]
    assert page.state("regions") == [3, 4]


def _without_a_name_before_named_ones(page, *nodes):
    """Names a region after another, and takes the name of the first again."""
    for number, (row, column), name in nodes:
        page.slide_to(number)
        page.point(row, column, clicks=1)
        _name(page, name)
    page.point(*nodes[0][1], clicks=1)
    page.press("n", "BACKSPACE", "ENTER")


def test_two_clicks_go_inside_a_named_region_though_the_first_drops_another(page):
    nodes = [(2, (20, 30), "left"), (2, (20, 90), "right")]
    _without_a_name_before_named_ones(page, *nodes)
    assert page.items("name") == ["", "right"]
    page.point(20, 90, clicks=2)
    assert page.state("path") == [0, 2]


def test_all_regions_are_picked_though_one_goes_into_what_is_around_it(page):
    places = [((20, 30), "x"), ((60, 90), "low"), ((20, 90), "high")]
    _without_a_name_before_named_ones(page, *[(4, *x) for x in places])
    assert page.items() == [[3], [6], [5]]
    page.slide_to(2)
    page.press("a")
    assert page.picked() == [[6], [5], [1]]


def test_what_is_hidden_is_drawn_away_and_not_saved(page, downloads):
    page.slide_to(4)
    page.press("a")
    assert len(page.picked()) == 4
    page.point(20, 30, clicks=1)
    page.press("h")
    assert page.items("hidden") == [True]
    assert page.pixel(20, 30)[3] > 220
    page.point(60, 90, clicks=1)
    saved = _downloaded(page, downloads, "a.6.selection.json", "selection")
    assert [x["nodes"] for x in json.loads(saved)["images"][0]["regions"]] == [[6]]
    page.find("#chosen button").click()
    page.find("#hide").click()
    assert page.items("hidden") == [False]


# -- out and in --------------------


def test_a_mask_is_that_of_the_tree_and_a_cutout_lies_in_its_box(
    page, downloads, results
):
    page.slide_to(4)
    page.point(20, 30, clicks=1)
    page.point(60, 90, clicks=1, shift=True)
    masks = results[0].tree.masks()
    expected = masks[3] | masks[6]
    saved = _downloaded(page, downloads, "a.mask.png", "mask")
    (downloads / "x.png").write_bytes(saved)
    with Image.open(downloads / "x.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.array(image), np.where(expected, 255, 0))

    page.point(60, 90, clicks=1)
    saved = _downloaded(page, downloads, "a.6.cutout.png", "cutout")
    (downloads / "x.png").write_bytes(saved)
    with Image.open(downloads / "x.png") as image:
        assert image.mode == "RGBA"
        assert image.size == (60, 40)
        pixels = np.array(image)
    assert (pixels[..., 3] == 255).all()
    shown = decoded(page.find("#photo").get_attribute("src"))
    close = np.abs(pixels[..., :3].astype(int) - shown[40:, 60:]) <= 3
    assert close.mean() > 0.99  # decoders of JPEG differ in rounding


def test_coco_and_selection_hold_what_is_selected_in_all_images(
    page, path, downloads, results, tmp_path
):
    page.slide_to(4)
    page.point(20, 30, clicks=1)
    _name(page, "cat")
    page.find("#list button[data-index='1']").click()
    page.slide_to(6)
    page.press("a")
    nodes = page.items()
    page.find("#list button[data-index='2']").click()
    page.slide_to(2)
    page.point(300, 100, clicks=1)

    text = _downloaded(page, downloads, "selection.json", "selection", scope="all")
    assert json.loads(text) == {
        "uhseg_jax": "selection",
        "version": 1,
        "images": [
            {
                "name": result.title,
                "size": list(result.size),
                "num_nodes": int(result.tree.num_nodes),
                "tree": result.tree_id,
                "regions": regions,
            }
            for result, regions in zip(
                results,
                [
                    [{"name": "cat", "nodes": [3]}],
                    [{"name": "", "nodes": x} for x in nodes],
                    [{"name": "", "nodes": [1]}],
                ],
                strict=True,
            )
        ],
    }
    (tmp_path / "selection.json").write_bytes(text)
    read = read_selection(tmp_path / "selection.json")  # as uhseg-export does
    assert [x.tree_id for x in read] == [x.tree_id for x in results]
    badges = page.find("#list").find_elements(By.CSS_SELECTOR, "[data-chosen]")
    counts = [1, len(nodes), 1]
    assert [x.get_attribute("data-chosen") for x in badges] == list(map(str, counts))
    coco_text = _downloaded(page, downloads, "coco.json", "coco", scope="all")
    (tmp_path / "coco.json").write_bytes(coco_text)
    coco = COCO(tmp_path / "coco.json")
    assert [x["name"] for x in coco.loadCats(coco.getCatIds())] == ["cat", "region"]
    assert [x["file_name"] for x in coco.imgs.values()] == [x.title for x in results]
    assert len(coco.anns) == 1 + len(nodes) + 1
    for annotation in coco.anns.values():
        tree = results[annotation["image_id"] - 1].tree
        mask = tree.masks()[annotation["nodes"]].any(0)
        np.testing.assert_array_equal(decode(annotation["segmentation"]), mask)
        assert annotation["area"] == mask.sum()
        rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        assert annotation["segmentation"]["counts"] == rle["counts"].decode()
        np.testing.assert_array_equal(annotation["bbox"], coco_mask.toBbox(rle))
    assert coco.anns[1]["category_id"] == 1

    # Loaded in a page where nothing is selected, it is the same again.
    page.js("sessionStorage.clear()")
    page.driver.get(path.as_uri())
    assert page.state("items") == []
    said = _load(page, tmp_path, text.decode())
    assert said == f"read.json: {len(nodes) + 2} regions of 3 images loaded."
    assert page.items("name") == ["cat"]
    page.find("#list button[data-index='1']").click()
    assert page.items() == nodes


def test_large_images_get_masks_of_their_own_size(page, downloads, results, tmp_path):
    page.find("#list button[data-index='2']").click()
    page.slide_to(2)
    page.point(300, 100, clicks=1)
    page.press("s")
    assert "uhseg-export" in page.find("#exactly").text
    saved = _downloaded(page, downloads, "c.1.mask.png", "mask")
    (tmp_path / "x.png").write_bytes(saved)
    with Image.open(tmp_path / "x.png") as image:
        mask = np.array(image) > 0
    np.testing.assert_array_equal(mask, results[2].tree.masks()[1])


_OTHERS = {
    "no JSON": ("{", "no JSON"),
    "something else": ({"images": []}, "something else"),
    "version": ({"version": 2}, "expected version 1"),
    "other images": ({"images": [{"name": "x.jpg"}]}, "other images.*a.jpg.*x.jpg"),
    "another tree": ({"images": [{"name": "a.jpg", "tree": "0"}]}, "a.jpg has other"),
    "no such node": ({"regions": [{"nodes": [99]}]}, "nodes from 0 to 6"),
    "no nodes": ({"regions": [{"nodes": []}]}, "nodes from 0 to 6"),
}


@pytest.mark.parametrize("case", list(_OTHERS))
def test_selections_that_do_not_fit_are_refused_in_a_sentence(
    page, results, tmp_path, case
):
    page.point(20, 30, clicks=1)
    changes, message = _OTHERS[case]
    content = changes
    if case == "something else":
        content = changes
    elif isinstance(changes, dict):
        image = {"name": "a.jpg", "tree": results[0].tree_id, "regions": []}
        image |= {k: v for k, v in changes.items() if k == "regions"}
        whole = {"uhseg_jax": "selection", "version": 1, "images": [image]}
        content = whole | {k: v for k, v in changes.items() if k != "regions"}
    said = _load(page, tmp_path, content)
    assert re.search(message, said)
    assert said.count("\n") == 0
    assert page.items() == [[3]]


def test_images_of_a_selection_that_are_not_here_are_counted(page, results, tmp_path):
    known = {"name": "a.jpg", "tree": results[0].tree_id, "regions": [{"nodes": [2]}]}
    images = [known, {"name": "z.jpg"}]
    content = {"uhseg_jax": "selection", "version": 1, "images": images}
    said = _load(page, tmp_path, content)
    assert said.endswith("1 image in it are not on this page.")
    assert page.items() == [[2]]


def _saved_through_a_page_of_a_cut(page, driver, results, tmp_path, downloads):
    """What is saved of a selection of whole trees after a visit of every image."""
    options = ExportOptions(choice=RegionChoice(num_regions=2, root=True))
    cut = write_page(tmp_path / "cut.html", results[::2], options)
    driver.get(cut.as_uri())
    regions = [{"name": "dog", "nodes": [3]}, {"name": "both", "nodes": [1, 5]}]
    images = [
        {
            "name": x.title,
            "size": list(x.size),
            "num_nodes": int(x.tree.num_nodes),
            "tree": x.tree_id,
            "regions": regions,
        }
        for x in results[::2]
    ]
    content = {"uhseg_jax": "selection", "version": 1, "images": images}
    said = [_load(page, tmp_path, content)]
    page.find("#list button[data-index='1']").click()
    said.append(page.find("#message").text)
    saved = _downloaded(page, downloads, "selection.json", "selection", scope="all")
    return said, content, json.loads(saved)


def test_a_page_of_a_cut_keeps_selected_regions_that_it_does_not_show(
    page, driver, results, tmp_path, downloads
):
    said, loaded, saved = _saved_through_a_page_of_a_cut(
        page, driver, results, tmp_path, downloads
    )
    assert saved == loaded
    assert all("2 regions selected here are not shown in full" in x for x in said)

    page.find("#chosen button").click()  # one that is not there at all
    assert page.find("#about").text == "dog · not shown in full by this page"
    page.press("s")
    page.find("#kinds [data-kind=mask]").click()
    assert "dog is not shown in full" in page.find("#load-trouble").text
    page.press("ESCAPE")
    page.press("a", "m")  # what is merged keeps what is not shown
    assert page.items() == [[0, 3, 5]]


# -- the address --------------------------------------------------------------------


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
    _name(page, "all")
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


# -- the keyboard -------------------------------------------------------------------


def test_the_keyboard_alone_selects_merges_names_and_saves(page, downloads):
    focused = "document.activeElement.id || document.activeElement.className"
    stops = []
    page.slide_to(4)
    for _ in range(12):
        page.press("TAB")
        stops.append(page.js("document.activeElement.parentElement.id") or "")
        stops[-1] += " " + (page.js(focused) or "")
    order = [
        i for i, x in enumerate(stops) if x.strip() in ("number", "shares", "take")
    ]
    assert order == sorted(order)
    assert len(order) == 3
    assert not any("list" in x for x in stops[: order[-1]])  # the images come last

    page.js("document.getElementById('number').focus()")
    page.press("TAB")
    page.press("SPACE")
    assert page.picked() == [[3]]
    page.press("ARROW_RIGHT", "ARROW_RIGHT", "ARROW_RIGHT")
    with page.holding_shift():
        page.press("SPACE")
    assert page.picked() == [[3], [6]]
    page.press("m")
    _name(page, "mine")
    assert page.items("name") == ["mine"]
    page.press("s")
    page.press("TAB", "TAB", "TAB", "ENTER")  # mask, cut-out, COCO, selection
    saved = _waited_for(downloads / "a.mine.selection.json")
    assert json.loads(saved)["images"][0]["regions"] == [
        {"name": "mine", "nodes": [3, 6]}
    ]


def test_enter_goes_inside_and_escape_comes_back(page):
    page.slide_to(2)
    page.js("document.querySelector('#shares button').focus()")
    page.press("ARROW_RIGHT", "ENTER")
    assert page.state("path") == [0, 2]
    page.press("ESCAPE")
    assert page.state("path") == [0]


def test_a_question_mark_lists_the_keys(page):
    page.press("?")
    assert page.find("#help").is_displayed()
    assert "merge it into one region" in page.find("#help").text
    page.press("m")  # keys wait
    page.press("ESCAPE")
    assert not page.find("#help").is_displayed()


# -- part of a tree --------------------


def test_regions_have_the_ids_of_the_whole_tree(driver, tmp_path, downloads):
    tree = random_tree(5, height=60, width=90, num_splits=12)
    options = ExportOptions(choice=RegionChoice(num_regions=5), names=("dog", "sky"))
    names = np.arange(int(tree.num_nodes)) % 3 - 1
    result = result_of(tree, "a.jpg", names=names)
    expected, nodes = result.pruned(options)
    assert nodes.max() >= len(nodes)  # numbered anew, they would be others
    write_page(tmp_path / "index.html", [result], options)
    for page in opened(driver, tmp_path / "index.html"):
        page.press("a")
        leaves = nodes[np.unique(expected.labels)]
        assert sorted(page.items()) == [[x] for x in leaves]
        for (node,), name in zip(page.items(), page.items("name"), strict=True):
            assert name == ("", "dog", "sky")[names[node] + 1]
        page.press("s")
        text = _downloaded(page, downloads, "a.selection.json", "selection")
        (image,) = json.loads(text)["images"]
        assert (image["tree"], image["num_nodes"]) == (result.tree_id, len(names))
        assert sorted(x["nodes"] for x in image["regions"]) == [[x] for x in leaves]
