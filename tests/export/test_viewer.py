"""What the viewer's page holds: trees that can be read back, names made harmless."""

import gc
import html.parser
import importlib.resources
import json
import tracemalloc

import numpy as np
import pytest
from export_results import decoded, result_of
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import make_tree, quadrants, random_tree, region_trees

from uhseg_jax.export.viewer import open_viewer, page_entry
from uhseg_jax.export.viewer.page import page_around


class Page(html.parser.HTMLParser):
    """What a browser's parser finds: images, scripts, links out, the title."""

    def __init__(self, path):
        super().__init__()
        self.images, self.scripts, self.sources, self.text = [], [], [], {}
        self._tag, self._attributes = "", {}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        self._tag, self._attributes = tag, dict(attributes)
        self.sources += [v for k, v in attributes if k in ("src", "href") and v]

    def handle_endtag(self, tag):
        self._tag = ""

    def handle_data(self, data):
        if self._tag == "script":
            if self._attributes.get("class") == "image":
                self.images.append((self._attributes, json.loads(data)))
            else:
                self.scripts.append(data)
        self.text[self._tag] = self.text.get(self._tag, "") + data


def _write(path, *trees, **title):
    with open_viewer(path, **title) as page:
        for index, tree in enumerate(trees):
            page.put(
                "", page_entry(result_of(tree, title.get("title", f"{index}.jpg")))
            )
    return Page(path)


def _labels(payload):
    runs = np.array(payload["runs"]).reshape(-1, 2)
    return np.repeat(runs[:, 0], runs[:, 1]).reshape(payload["shown"])


@settings(max_examples=25, deadline=None)
@given(tree=region_trees())
def test_payload_gives_the_tree_back(tmp_path_factory, tree):
    page = _write(tmp_path_factory.getbasetemp() / "index.html", tree)
    ((attributes, payload),) = page.images
    count = int(tree.num_nodes)
    np.testing.assert_array_equal(_labels(payload), tree.labels)
    assert payload["parents"] == tree.parents[:count].tolist()
    assert payload["depths"] == tree.depths[:count].tolist()
    assert payload["areas"] == tree.areas()[:count].tolist()
    assert payload["ranks"] == np.asarray(tree.entry_ranks())[:count].tolist()
    np.testing.assert_allclose(payload["costs"], tree.costs[:count], atol=1e-4)
    assert len(payload["colors"]) == count
    assert payload["size"] == list(tree.labels.shape)
    assert decoded(payload["image"]).shape == (*tree.labels.shape, 3)
    assert attributes["data-name"] == payload["name"] == "0.jpg"


def test_large_images_are_shown_at_most_900_pixels_long(tmp_path):
    tree = quadrants(60, 2000)
    ((attributes, payload),) = _write(tmp_path / "index.html", tree).images
    assert payload["shown"] == [27, 900]
    assert payload["size"] == [60, 2000]
    assert decoded(payload["image"]).shape == (27, 900, 3)
    assert set(np.unique(_labels(payload))) == {3, 4, 5, 6}
    assert max(decoded(attributes["data-thumbnail"]).shape) == 112


NASTY = [
    "</script><script>alert(1)</script>.jpg",
    "<!--<script>.jpg",
    "a\"b'c&amp;d<e>.jpg",
    "smile \U0001f600 ünï\u2028.jpg",
    "{{style}}{{script}}{{images}}{{title}}",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_cannot_break_out_of_the_page(tmp_path, name):
    page = _write(tmp_path / "index.html", quadrants(), title=name)
    ((attributes, payload),) = page.images
    assert attributes["data-name"] == payload["name"] == name
    assert page.text["title"] == name
    assert len(page.scripts) == 1


@given(name=st.text(max_size=30))
@settings(max_examples=30, deadline=None)
def test_any_name_survives(tmp_path_factory, name):
    path = tmp_path_factory.getbasetemp() / "named.html"
    with open_viewer(path) as page:
        page.put("", page_entry(result_of(quadrants(), name)))
    ((_, payload),) = Page(path).images
    assert payload["name"] == name


def test_file_names_that_are_no_text_are_written(tmp_path):
    page = _write(tmp_path / "index.html", quadrants(), title="caf\udce9.jpg")
    assert page.images[0][0]["data-name"] == "caf?.jpg"


def test_the_page_asks_the_network_for_nothing(tmp_path):
    page = _write(tmp_path / "index.html", quadrants(), random_tree(0))
    assert page.sources == []
    assert len(page.images) == 2
    text = (tmp_path / "index.html").read_text()
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert "{{" not in text


def test_a_page_without_images_is_written(tmp_path):
    page = _write(tmp_path / "index.html")
    assert page.images == []
    assert "no images here" in page.text["p"]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    result = result_of(random_tree(0, height=200, width=300))

    def peak(count):
        tracemalloc.start()
        with open_viewer(tmp_path / f"{count}.html") as page:
            for _ in range(count):
                page.put("", page_entry(result))
                gc.collect(1)  # young garbage does not grow
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1)
    # Threads of other tests are counted as well, so the least of several is taken.
    few, many = (min(peak(count) for _ in range(3)) for count in (2, 8))
    assert many < 1.3 * few


def test_more_nodes_than_the_page_can_show_are_refused(tmp_path):
    count = 2**16
    flat = make_tree([[1]], [-1] + [0] * (count - 1), [0] * count, [0] * count)
    with (
        open_viewer(tmp_path / "index.html") as page,
        pytest.raises(ValueError, match=r"b\.jpg.*65535"),
    ):
        page.put("", page_entry(result_of(flat, "b.jpg")))


def test_the_template_has_each_slot_once_and_every_script():
    folder = importlib.resources.files("uhseg_jax.export.viewer")
    page = (folder / "page.html").read_text("utf-8")
    for slot in ("{{style}}", "{{images}}", "{{script}}"):
        assert page.count(slot) == 1
    assert "</style" not in (folder / "page.css").read_text("utf-8")
    whole = "".join(page_around("title"))
    scripts = [x for x in folder.iterdir() if x.name.endswith(".js")]
    assert len(scripts) > 9
    for script in scripts:
        text = script.read_text("utf-8")
        assert text in whole, f"{script.name} is left out"
        assert "</script" not in text
