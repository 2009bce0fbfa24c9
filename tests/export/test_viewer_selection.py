"""Regions selected in the viewer's page, and what the page lets out of them."""

import json

import numpy as np
import pytest
from export_results import result_of
from selecting import call_it, downloaded, waited_for
from selenium.webdriver.common.by import By
from trees import random_tree
from viewer_pages import opened, write_page

from uhseg_jax.export import ExportOptions
from uhseg_jax.hierarchy.region_choice import RegionChoice

pytestmark = pytest.mark.browser


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
    call_it(page, "cat & <b>")
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
    call_it(page, "left")
    page.point(20, 30, clicks=2)
    assert page.state("path") == [0, 1]
    assert page.state("regions") == [3, 4]


def _without_a_name_before_named_ones(page, *nodes):
    """Names a region after another, and takes the name of the first again."""
    for number, (row, column), name in nodes:
        page.slide_to(number)
        page.point(row, column, clicks=1)
        call_it(page, name)
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
    saved = downloaded(page, downloads, "a.6.selection.json", "selection")
    assert [x["nodes"] for x in json.loads(saved)["images"][0]["regions"]] == [[6]]
    page.find("#chosen button").click()
    page.find("#hide").click()
    assert page.items("hidden") == [False]


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
    call_it(page, "mine")
    assert page.items("name") == ["mine"]
    page.press("s")
    page.press("TAB", "TAB", "TAB", "ENTER")  # mask, cut-out, COCO, selection
    saved = waited_for(downloads / "a.mine.selection.json")
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
        text = downloaded(page, downloads, "a.selection.json", "selection")
        (image,) = json.loads(text)["images"]
        assert (image["tree"], image["num_nodes"]) == (result.tree_id, len(names))
        assert sorted(x["nodes"] for x in image["regions"]) == [[x] for x in leaves]
