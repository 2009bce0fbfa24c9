"""The gallery: its examples are short, listed and run; its pages show what they do."""

import contextlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from documented import ROOT
from PIL import Image

with contextlib.ExitStack() as _stack:
    _stack.callback(sys.path.remove, str(ROOT / "docs" / "mkdocs"))
    sys.path.insert(0, str(ROOT / "docs" / "mkdocs"))
    import examples
    import run_examples

SCRIPTS = sorted(examples.GALLERY.glob("*.py"))
ALL = [examples.Example.read(x) for x in SCRIPTS]
by_name = pytest.mark.parametrize("example", ALL, ids=lambda x: x.name)

DRAWS = '''"""A line.

It goes up.
"""

import matplotlib.pyplot as plt
from pathlib import Path

Path("left.txt").write_text("gone afterwards")
print("drawn")
plt.plot([0, 1])
plt.show()
'''


def script(folder, name, text):
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(text)
    return file


# -- the examples as they are ----------------------------------------------------------


def test_the_index_lists_every_example_once_by_its_title():
    groups = examples.groups_of((examples.GALLERY / "index.md").read_text())
    listed = [x for found in groups.values() for x in found]
    assert sorted(listed) == sorted((x.title, x.name) for x in ALL)
    assert len(listed) >= 15


@by_name
def test_an_example_has_one_idea_in_at_most_thirty_lines(example):
    assert len(example.code.splitlines()) <= 30
    assert 60 < len(example.text) < 400
    assert re.fullmatch(r"[A-Z][^.]{6,40}", example.title)
    assert "uhseg_jax" in example.code
    assert example.code.endswith("plt.show()")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What a run of all examples told of each, and where it left them."""
    folder = tmp_path_factory.mktemp("gallery")
    runner = ROOT / "docs" / "mkdocs" / "run_examples.py"
    done = subprocess.run(
        [sys.executable, runner, folder, *SCRIPTS],
        env={**os.environ, "XLA_FLAGS": ""},  # as users have it
        stdout=subprocess.PIPE,
        text=True,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return folder, {x["name"]: x["error"] for x in told}


@pytest.mark.slow
@pytest.mark.weights
@by_name
def test_an_example_runs_and_draws(ran, example):
    folder, errors = ran
    assert errors[example.name] is None
    prints = "print(" in example.code or "sys.stdout" in example.code
    printed = (folder / example.name / run_examples.PRINTED).read_text()
    assert bool(printed) == prints
    picture = folder / example.name / run_examples.PICTURE
    assert picture.stat().st_size < 200_000
    with Image.open(picture) as image:
        pixels = np.asarray(image)
    assert 500 < pixels.shape[1] < 1500
    assert pixels.std() > 20


# -- how they are run ------------------------------------------------------------------


def test_a_run_leaves_a_picture_a_card_and_what_was_printed(tmp_path):
    line = script(tmp_path, "line", DRAWS)
    assert run_examples.run_example(line, tmp_path / "out" / "line") is None
    left = {x.name for x in (tmp_path / "out" / "line").iterdir()}
    assert left == {"picture.webp", "card.webp", "printed.txt"}
    assert (tmp_path / "out" / "line" / "printed.txt").read_text() == "drawn\n"
    with Image.open(tmp_path / "out" / "line" / "card.webp") as card:
        assert card.size == (480, 300)
    assert not (tmp_path / "left.txt").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 / 0", r'^Traceback.*\n  File ".*bad.py", line 1.*\n(.*\n)*ZeroDivision'),
        ("x = 1", "expected one figure of matplotlib, but bad.py left 0"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import warnings; warnings.warn('odd')", "UserWarning: odd"),
    ],
)
def test_an_example_that_fails_says_where_and_leaves_nothing(tmp_path, text, told):
    bad = script(tmp_path, "bad", text)
    assert re.search(told, run_examples.run_example(bad, tmp_path / "out" / "bad"))
    assert not (tmp_path / "out").exists()


def test_the_others_are_run_where_one_fails(tmp_path, capsys):
    files = [script(tmp_path, "bad", "1 / 0"), script(tmp_path, "line", DRAWS)]
    assert run_examples.main([str(tmp_path / "out"), *map(str, files)]) == 1
    bad, line = map(json.loads, capsys.readouterr().out.splitlines())
    assert (bad["name"], line["name"], line["error"]) == ("bad", "line", None)
    assert "ZeroDivisionError" in bad["error"]


def test_examples_are_run_again_where_something_changed(tmp_path, monkeypatch):
    line = examples.Example.read(script(tmp_path, "line", DRAWS))
    ran = []

    def run(wanted, results):
        for x in wanted:
            ran.append(x.name)
            run_examples.run_example(x.script, results / x.name)
            yield {"name": x.name, "seconds": 0.1, "error": None}

    monkeypatch.setattr(examples, "_run", run)
    results = tmp_path / "out"

    def known(**options):
        found = examples.results_of([line], results, tell=lambda _: None, **options)
        return found, len(ran)

    assert known(run=False) == ({}, 0)
    assert known() == ({"line": results / "line"}, 1)
    assert known() == ({"line": results / "line"}, 1)
    line.script.write_text(DRAWS + "print('more')\n")
    assert known(run=False) == ({}, 1)
    assert known()[1] == 2
    monkeypatch.setattr(examples, "digest_of_package", lambda: "another version")
    assert known()[1] == 3


def test_a_failure_stops_the_site_with_the_traceback(tmp_path):
    bad = examples.Example.read(script(tmp_path, "bad", '"""Bad."""\n1 / 0\n'))
    told = r"example bad .* failed:\n(.*\n)*ZeroDivision.*\n.*UHSEG_GALLERY=skip"
    with pytest.raises(RuntimeError, match=told):
        examples.results_of([bad], tmp_path / "out")


# -- its pages -------------------------------------------------------------------------


def test_a_page_has_the_text_the_picture_the_code_and_what_was_printed(tmp_path):
    line = examples.Example.read(script(tmp_path, "line", DRAWS))
    (tmp_path / "printed.txt").write_text("drawn\n")
    page = line.page(tmp_path)
    assert page.startswith(
        "# A line\n\nIt goes up.\n\n![What the example draws](line.w"
    )
    assert '```python title="line.py"\nimport matplotlib' in page
    assert page.endswith("It prints:\n\n```text\ndrawn\n```\n")
    assert "was not run" in line.page(None)


def test_cards_lead_to_pages():
    index = "# G\n\n## One\n\n* [A](a.py)\n* [B](b.py)\n\n## Two\n\nText.\n"
    assert examples.groups_of(index) == {"One": [("A", "a"), ("B", "b")], "Two": []}
    cards = examples.with_cards(index, {"a"})
    assert "-   [![](a-card.webp){ loading=lazy } A](a.md)\n-   [B](b.md)" in cards
    assert cards.endswith("</div>\n\n## Two\n\nText.\n")
