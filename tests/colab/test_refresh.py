"""Notebooks are current, and what keeps them so; their first cell."""

import base64
import importlib
import io
import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

FOLDER = Path(__file__).parents[2] / "colab"


sys.path.append(str(FOLDER))
notebooks, refresh = map(importlib.import_module, ("notebooks", "refresh"))
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FLAT = np.kron(np.arange(48).reshape(4, 4, 3) * 5, np.ones((20, 20, 1))).astype("u1")


def code(source, *outputs, cell="x", tags=()):
    return {
        "cell_type": "code",
        "execution_count": 3,
        "id": cell,
        "metadata": {"tags": list(tags), "execution": {"busy": 1}},
        "outputs": list(outputs),
        "source": source,
    }


def shown(pixels, **more):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    png = base64.b64encode(file.getvalue()).decode()
    data = {"image/png": png, "text/plain": "<Figure>", **more}
    return {"output_type": "display_data", "metadata": {"a": 1}, "data": data}


def printed(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def notebook(*cells, small=()):
    return {"cells": list(cells), "metadata": {"uhseg_small": dict(small), "other": 1}}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_current(path):
    assert list(notebooks.not_current(json.loads(path.read_text("utf-8")), path)) == []


def test_only_stored_cells_keep_what_they_show_and_nothing_else_stays():
    run = notebook(
        code("a = 1\nb = 2", printed("1\n"), shown(FLAT)),
        code(
            "c",
            printed("Compiling programs; it takes a while, once.\n"),
            printed("2\nCompiling the method; it takes a while, once.\n"),
            printed("no", "stderr"),
            shown(FLAT),
            tags=["stored"],
        ),
    )
    kept = notebooks.kept(run)
    first, second = kept["cells"]
    assert first["outputs"] == []
    assert first["source"] == ["a = 1\n", "b = 2"]
    text, image = second["outputs"]
    assert text == printed(["2\n"])
    assert [*image["data"]] == ["image/png"]
    assert image["metadata"] == {}
    content = io.BytesIO(base64.b64decode(image["data"]["image/png"]))
    np.testing.assert_array_equal(np.asarray(Image.open(content).convert("RGB")), FLAT)
    assert {x["execution_count"] for x in kept["cells"]} == {None}
    assert second["metadata"] == {"tags": ["stored"]}
    assert {*kept["metadata"]} == {
        *("kernelspec", "language_info", "uhseg_small", "uhseg_stored")
    }
    assert notebooks.kept(kept, compress=False) == kept


def test_photographs_and_large_images_are_not_stored():
    def keep(pixels):
        return notebooks.kept(notebook(code("c", shown(pixels), tags=["stored"])))

    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        with pytest.raises(
            notebooks.NotebookError, match=r"x is stored, .* photograph"
        ):
            keep(getattr(skimage.data, name)())
    stripes = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    with pytest.raises(
        notebooks.NotebookError, match=r"has \d+ bytes: expected at most"
    ):
        keep(stripes.repeat(8, 0).repeat(8, 1))
    with pytest.raises(notebooks.NotebookError, match="shows nothing"):
        notebooks.kept(notebook(code("c", tags=["stored"])))


def test_the_badge_and_the_first_cell_are_written_once_before_other_code():
    title = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": ["# T"]}
    once = notebooks.with_written_cells(notebook(title, code("a")), "name")
    assert [x["id"] for x in once["cells"]] == ["badge", "t", "install", "x"]
    assert notebooks.with_written_cells(once, "name") == once
    place = notebooks.repository().removeprefix("https://")
    link = f"colab.research.google.com/{place.replace('.com', '')}/blob/main/colab/name"
    assert f"{link}.ipynb" in once["cells"][0]["source"][0]


def test_what_is_not_current_is_said(tmp_path):
    long = code("a\n" * 40, cell="long")
    found = notebooks.with_written_cells(notebook(long, small={"N": 1}), "name")
    stored = code(["1"], printed(["1"]), cell="y", tags=["stored"])
    found["cells"].append({**stored, "execution_count": None})
    found["cells"][-3]["source"] = ["old"]
    text = "\n".join(notebooks.not_current(found, tmp_path / "name.ipynb"))
    for part in (
        "first cell is not current; run python colab/refresh.py name",
        "stores is of other code",
        "outputs that are not stored",
        "cell long has 40 lines",
        "sets N, which no cell tagged parameters assigns",
    ):
        assert part in text, part


def test_small_settings_follow_the_parameters():
    parameters = code("N = 10\nM = 'a'", tags=["parameters"])
    cells = [
        *refresh.with_small_settings(notebook(parameters, code("N"), small={"N": 2}))
    ]
    assert [x["source"] for x in cells] == ["N = 10\nM = 'a'", "N = 2", "N"]
    assert [*notebooks.wrong_settings(notebook(parameters, small={"N": 2}))] == []


def test_a_notebook_that_is_not_there_is_named(capsys):
    assert refresh.main(["--check", "nowhere"]) == 1
    assert "nowhere.ipynb: it cannot be read" in capsys.readouterr().err


# -- the first cell --------------------------------------------------------------------


def install(monkeypatch, *, stderr="", status=0, packages=(), source=None, there=False):
    """Runs the first cell with a pip of our own; returns what pip was told."""
    told = []

    def run(command, **options):
        constraint = Path(command[-2]).read_text()
        told.append(([*command[:-2], command[-1]], constraint))
        return types.SimpleNamespace(returncode=status, stderr=stderr)

    found = [types.SimpleNamespace(name=x, version=y) for x, y in packages]
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: there or None)
    monkeypatch.setattr("importlib.metadata.distributions", lambda: found)
    monkeypatch.delenv("UHSEG_SOURCE", raising=False)
    if source:
        monkeypatch.setenv("UHSEG_SOURCE", source)
    cell, magic = notebooks.first_cell().rsplit("\n", 1)
    assert magic == "%load_ext uhseg_jax"
    exec(compile(cell, "first_cell", "exec"), {})
    return told


COLAB = (("jax", "0.7.2"), ("jaxlib", "0.7.2"), ("jax-cuda12-plugin", "0.7.2"))


def test_the_first_cell_keeps_the_jax_of_the_runtime(monkeypatch, capsys):
    ((command, constraint),) = install(monkeypatch, packages=COLAB)
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert command[-1] == f"{notebooks.repository()}/archive/refs/heads/main.zip"
    assert constraint == "jax==0.7.2\njaxlib==0.7.2\n"
    assert "Installing" in capsys.readouterr().out
    ((command, constraint),) = install(monkeypatch, source="/some/clone")
    assert (command[-1], constraint) == ("/some/clone", "")
    assert install(monkeypatch, there=True) == []


def test_the_first_cell_says_what_to_do_where_pip_cannot(monkeypatch):
    conflict = {"stderr": "ERROR: ResolutionImpossible: for help", "status": 1}
    with pytest.raises(
        SystemExit, match=r"runtime's 0\.7\.2.*'jax\[cuda12\]'.*restart"
    ):
        install(monkeypatch, packages=COLAB, **conflict)
    with pytest.raises(SystemExit, match=r"'jax\[cpu\]'"):
        install(monkeypatch, packages=COLAB[:2], **conflict)
    for trouble in (conflict, {"stderr": "no network", "status": 1}):
        with pytest.raises(
            SystemExit, match=f"could not install .*zip:\n{trouble['stderr']}"
        ):
            install(monkeypatch, **trouble)
