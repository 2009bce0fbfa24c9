"""What the pages of the methods say of functions, fields and values is so."""

import ast
import dataclasses
import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from documented import ROOT

from uhseg_jax.methods import METHODS

DOCS = ROOT / "docs"
PAGES = sorted((DOCS / "methods").glob("*.md"))
PAGES_OF_METHODS = {name: DOCS / f"methods/{name}.md" for name in METHODS}
FUNCTION = re.compile(r"\[`([\w.]+)`\]\(([\w./]+\.py)\)")
CODE = re.compile(r"`([^`]+)`")


def tables(page: Path) -> Iterator[list[list[str]]]:
    """The rows of every table, the header first; cells as they are written."""
    for block in re.findall(r"(?:^\|.*\n)+", page.read_text(), re.M):
        header, _, *rows = block.splitlines()
        yield [
            [x.strip() for x in row.strip("|").split("|")] for row in (header, *rows)
        ]


def column(page: Path, title: str) -> Iterator[str]:
    for header, *rows in tables(page):
        if title in header:
            yield from (row[header.index(title)] for row in rows)


def field(config, name):
    """The value of a field, or of one of a request in it."""
    for part in name.split("."):
        assert part in {x.name for x in dataclasses.fields(config)}, name
        config = getattr(config, part)
    return config


@pytest.mark.parametrize("page", PAGES, ids=lambda x: x.stem)
def test_every_function_that_a_page_links_is_in_that_file(page):
    links = FUNCTION.findall(page.read_text())
    assert links or page not in PAGES_OF_METHODS.values()
    for name, target in links:
        path = (page.parent / target).resolve().relative_to(ROOT).with_suffix("")
        module = ".".join(path.parts).removesuffix(".__init__")
        parts = name.removeprefix(f"{path.name}.").split(".")
        if not name.endswith(".py"):
            functools.reduce(getattr, parts, importlib.import_module(module))


@pytest.mark.parametrize("method", PAGES_OF_METHODS)
def test_every_field_beside_a_step_is_one_of_the_config(method):
    config = METHODS.find(method).preset()
    named = [
        name
        for cell in column(PAGES_OF_METHODS[method], "field")
        for name in CODE.findall(cell)
        if name != "Refinement"
    ]
    assert named
    for name in named:
        name, _, value = name.partition("=")
        default = field(config, name)
        if value:
            assert isinstance(ast.literal_eval(value), type(default))


@pytest.mark.parametrize("method", PAGES_OF_METHODS)
def test_every_field_of_the_config_is_on_its_page(method):
    text = PAGES_OF_METHODS[method].read_text()
    for x in dataclasses.fields(METHODS.find(method).config):
        assert re.search(rf"`{x.name}(`|\.)", text), x.name


@pytest.mark.parametrize("method", PAGES_OF_METHODS)
def test_the_values_of_presets_are_those_of_the_code(method):
    presets = METHODS.find(method).presets
    ((header, *rows),) = (
        x for x in tables(PAGES_OF_METHODS[method]) if x[0][0] == "field"
    )
    shown = {title.strip("`"): i for i, title in enumerate(header)}
    shown = {name: i for name, i in shown.items() if name in presets}
    assert shown
    for name, i in shown.items():
        config = presets[name]()
        for row in rows:
            if row[i] != "not used":
                (key,), (value,) = CODE.findall(row[0]), CODE.findall(row[i])
                assert field(config, key) == ast.literal_eval(value), (name, key)


def test_every_box_of_the_tour_leads_to_a_page_of_the_site():
    drawing = (DOCS / "tour.svg").read_text()
    links = re.findall(r'<a href="([^"#]+)', drawing)
    assert len(links) >= 15
    nav = (ROOT / "mkdocs.yml").read_text()
    for link in links:
        assert re.search(rf" {re.escape(link)}$", nav, re.M), link


def test_the_tour_loads_nothing_and_shows_no_photograph():
    drawing = (DOCS / "tour.svg").read_text()
    assert "<image" not in drawing
    assert "url(" not in drawing
    assert "<script" not in drawing
