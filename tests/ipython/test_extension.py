"""`%load_ext uhseg_jax` in a shell of IPython; images in, files out."""

import re
import sys
import types

import numpy as np
import pytest
import skimage.data
from PIL import Image

import uhseg_jax
from uhseg_jax.errors import SentenceError
from uhseg_jax.images import ImageError
from uhseg_jax.ipython import compiling, stale
from uhseg_jax.ipython.files import choose_image, offer_file

interactiveshell = pytest.importorskip("IPython.core.interactiveshell")

MINE = """
import uhseg_jax, numpy as np
tree = uhseg_jax.RegionTree.flat(np.ones((2, 2), np.int32), 2)
def fails(features):
    raise ValueError("mine")
"""


@pytest.fixture(scope="module")
def shell():
    shell = interactiveshell.InteractiveShell()
    shell.history_manager.enabled = False
    shell.run_cell(MINE)
    shell.run_line_magic("load_ext", "uhseg_jax")
    yield shell
    shell.run_line_magic("unload_ext", "uhseg_jax")


@pytest.fixture
def output(shell, capsys):
    def run(cell):
        capsys.readouterr()
        shell.run_cell(cell)
        return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)

    return run


def test_it_says_what_is_computed_on(output):
    said = output("%reload_ext uhseg_jax")
    version = re.escape(uhseg_jax.__version__)
    expected = rf"uhseg_jax {version} computes on the CPU \(\d+ cores\)\.\n"
    assert re.match(expected, said)


@pytest.mark.parametrize(
    ("cell", "sentence", "line"),
    [
        ("uhseg_jax.segment('no.jpg')", "ImageError: no.jpg: there is no such file", 1),
        (
            "a = 1\n\ntree.cut(num_regions=0)",
            "ValueError: num_regions must be at least",
            3,
        ),
        (
            "uhseg_jax.RegionTree.load('no.npz')",
            "FileNotFoundError: no.npz: No such",
            1,
        ),
        ("import sys; sys.modules['higra'] = None; tree.to_higra()", "higra", 1),
    ],
)
def test_errors_of_ours_are_sentences(output, cell, sentence, line):
    said = output(cell)
    first, second, third = said.splitlines()
    assert sentence in first
    assert second == f"Line {line} of the cell: {cell.splitlines()[-1]}"
    assert third == "%tb shows the whole traceback."
    assert "Traceback" in output("%tb")


@pytest.mark.parametrize(
    "cell",
    [
        "np.zeros(3).reshape(2)",
        "fails(1)",
        "uhseg_jax.RegionTree(1)",  # Python's own, of a call that does not fit
        "1 / 0",
    ],
)
def test_errors_of_other_code_are_shown_as_ever(output, cell):
    assert "Traceback" in output(cell)


def test_a_lack_of_memory_is_a_sentence(output, monkeypatch):
    def fails(*args, **kwargs):
        np.zeros(2**62, np.uint8)

    monkeypatch.setattr("uhseg_jax.hierarchy.tree_views.choose", fails)
    assert "There is not enough memory. Give a smaller" in output("tree.regions()")


def test_handlers_that_a_shell_has_for_some_errors_stay(shell, output):
    seen = []
    shell.set_custom_exc((KeyError,), lambda *args, **more: seen.append(args[1]))
    output("%reload_ext uhseg_jax")
    output("{}[1]")
    assert seen == [KeyError]
    shell.set_custom_exc((), None)


def test_unloading_leaves_the_shell_as_it_was(shell, output):
    output("%unload_ext uhseg_jax")
    assert "Traceback" in output("uhseg_jax.segment('no.jpg')")
    assert shell.events.callbacks["pre_run_cell"] == []
    output("%load_ext uhseg_jax")


def test_a_session_that_imported_another_version_must_be_restarted(output, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1")
    assert "pillow" in stale.stale_packages()
    said = output("%reload_ext uhseg_jax")
    assert said.startswith("SentenceError: This session had imported pillow, ")
    assert "restart it" in said
    monkeypatch.undo()
    output("%reload_ext uhseg_jax")


@pytest.mark.parametrize(
    ("imported", "installed", "is_stale"),
    [
        ("0.9.1", "0.9.0", True),
        ("0.9.0", "0.9.0", False),
        ("0.9.0.dev20261129+abc", "0.9.0.dev20261128", False),  # as of its import
        ("0.9.0.dev20261129", "0.9.0", False),
        (None, "0.9.0", False),
    ],
)
def test_versions_of_what_is_built_from_source_are_not_compared(
    monkeypatch, imported, installed, is_stale
):
    module = types.SimpleNamespace(**({"__version__": imported} if imported else {}))
    monkeypatch.setitem(sys.modules, "jaxlib", module)
    monkeypatch.setattr("importlib.metadata.version", lambda name: installed)
    assert ("jaxlib" in stale.stale_packages()) == is_stale


def test_a_cell_that_waits_for_compilation_says_so_once(shell, output, monkeypatch):
    monkeypatch.setattr(compiling, "_PAUSE", 0.01)
    now = [("backbone", 2.0), ("backbone", 4.0), ("backbone", 5.0), None]
    watch = types.SimpleNamespace(now=lambda: now.pop(0) if now else None)
    monkeypatch.setattr(compiling, "watch", lambda: watch)
    output("%reload_ext uhseg_jax")
    said = output("import time; time.sleep(0.5)")
    assert said == "Compiling the backbone; it takes a while, once.\n"
    monkeypatch.undo()
    output("%reload_ext uhseg_jax")


# -- files -----------------------------------------------------------------------------


def in_colab(monkeypatch, **functions):
    module = types.SimpleNamespace(**functions)
    monkeypatch.setitem(sys.modules, "google.colab.files", module)
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("colab"))
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))


def test_images_are_chosen_by_name_or_path(tmp_path):
    np.testing.assert_array_equal(choose_image("coffee"), skimage.data.coffee())
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    assert choose_image(str(tmp_path / "a.png")).shape == (2, 3, 3)
    with pytest.raises(SentenceError, match=r"'cofee': .*coffee.*mean 'coffee'\?"):
        choose_image("cofee")
    with pytest.raises(ImageError, match=r"none\.jpg"):
        choose_image("none.jpg")


def test_colab_uploads_one_image(tmp_path, monkeypatch):
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    in_colab(monkeypatch, upload=lambda: {"a.png": content})
    assert choose_image("coffee", upload=True).shape == (2, 3, 3)
    in_colab(monkeypatch, upload=lambda: {"a.txt": b"text"})
    with pytest.raises(ImageError, match=r"a\.txt"):
        choose_image("coffee", upload=True)
    in_colab(monkeypatch, upload=dict)
    with pytest.raises(SentenceError, match="No file was uploaded"):
        choose_image("coffee", upload=True)


def test_elsewhere_nothing_is_uploaded_and_files_are_links(tmp_path, monkeypatch):
    with pytest.raises(SentenceError, match="in Colab alone"):
        choose_image("coffee", upload=True)
    (tmp_path / "a.zip").touch()
    assert "a.zip" in offer_file(tmp_path / "a.zip")._repr_html_()
    given = []
    in_colab(monkeypatch, download=given.append)
    offer_file(tmp_path / "a.zip")
    assert given == [str(tmp_path / "a.zip")]
    with pytest.raises(FileNotFoundError, match=r"b\.zip: there is no such file"):
        offer_file(tmp_path / "b.zip")
