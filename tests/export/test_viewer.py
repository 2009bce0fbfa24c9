"""What the viewer's page holds: trees that can be read back, names made harmless."""

import base64
import html.parser
import io
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from trees import make_tree, on_device, quadrants, random_tree, region_trees

from uhseg_jax.export import viewer
from uhseg_jax.export.viewer import ViewerWriter


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


def _image(tree, seed=0):
    shape = (*tree.labels.shape, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _write(path, *trees):
    with ViewerWriter(path) as page:
        for index, tree in enumerate(trees):
            page.add(f"{index}.jpg", _image(tree), tree)
    return Page(path)


def _labels(payload):
    runs = np.array(payload["runs"]).reshape(-1, 2)
    return np.repeat(runs[:, 0], runs[:, 1]).reshape(payload["shown"])


def _decode(uri):
    kind, data = uri.split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return np.asarray(image)


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
    assert _decode(payload["image"]).shape == (*tree.labels.shape, 3)
    assert attributes["data-name"] == payload["name"] == "0.jpg"


def test_trees_of_jax_arrays_are_written_alike(tmp_path):
    tree = random_tree(4, padding=2)
    device = _write(tmp_path / "device.html", on_device(tree))
    assert device.images == _write(tmp_path / "host.html", tree).images


def test_large_images_are_shown_at_most_900_pixels_long(tmp_path):
    tree = quadrants(60, 2000)
    ((attributes, payload),) = _write(tmp_path / "index.html", tree).images
    assert payload["shown"] == [27, 900]
    assert payload["size"] == [60, 2000]
    assert _decode(payload["image"]).shape == (27, 900, 3)
    assert set(np.unique(_labels(payload))) == {3, 4, 5, 6}
    assert max(_decode(attributes["data-thumbnail"]).shape) == 112


NASTY = [
    "</script><script>alert(1)</script>.jpg",
    "<!--<script>.jpg",
    "a\"b'c&amp;d<e>.jpg",
    "smile \U0001f600 ünï\u2028.jpg",
    "{{style}}{{script}}{{images}}{{title}}",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_cannot_break_out_of_the_page(tmp_path, name):
    with ViewerWriter(tmp_path / "index.html", title=name) as page:
        page.add(name, _image(quadrants()), quadrants())
    page = Page(tmp_path / "index.html")
    ((attributes, payload),) = page.images
    assert attributes["data-name"] == payload["name"] == name
    assert page.text["title"] == name
    assert len(page.scripts) == 1


@given(name=st.text(max_size=30))
@settings(max_examples=30, deadline=None)
def test_any_name_survives(tmp_path_factory, name):
    path = tmp_path_factory.getbasetemp() / "named.html"
    with ViewerWriter(path) as page:
        page.add(name, _image(quadrants()), quadrants())
    ((_, payload),) = Page(path).images
    assert payload["name"] == name


def test_file_names_that_are_no_text_are_written(tmp_path):
    with ViewerWriter(tmp_path / "index.html") as page:
        page.add("caf\udce9.jpg", _image(quadrants()), quadrants())
    assert Page(tmp_path / "index.html").images[0][0]["data-name"] == "caf?.jpg"


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
    tree = random_tree(0, height=200, width=300)

    def written(count):
        with ViewerWriter(tmp_path / f"{count}.html") as page:
            for _ in range(count):
                page.add("a.jpg", image, tree)

    image = _image(tree)
    written(1)

    def peak(count):
        tracemalloc.start()
        written(count)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(12) < 1.3 * peak(2)


def test_nothing_is_left_of_a_run_that_fails(tmp_path):
    writer = ViewerWriter(tmp_path / "index.html")

    def fail():
        with writer:
            writer.add("a.jpg", _image(quadrants()), quadrants())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_misuse_is_refused_in_sentences(tmp_path):
    writer = ViewerWriter(tmp_path / "index.html")
    with pytest.raises(RuntimeError, match="with ViewerWriter"):
        writer.add("a.jpg", _image(quadrants()), quadrants())
    with writer, pytest.raises(ValueError, match=r"a\.jpg.*\(9, 9\)"):
        writer.add("a.jpg", np.zeros((9, 9, 3), np.uint8), quadrants())
    count = 2**16
    flat = make_tree([[1]], [-1] + [0] * (count - 1), [0] * count, [0] * count)
    with writer, pytest.raises(ValueError, match=r"b\.jpg.*65535"):
        writer.add("b.jpg", np.zeros((1, 1, 3), np.uint8), flat)


def test_the_template_has_each_slot_once():
    folder = viewer.importlib.resources.files("uhseg_jax.export")
    page = (folder / "viewer.html").read_text("utf-8")
    for slot in ("{{style}}", "{{images}}", "{{script}}"):
        assert page.count(slot) == 1
    assert "</script" not in (folder / "viewer.js").read_text("utf-8")
    assert "</style" not in (folder / "viewer.css").read_text("utf-8")
