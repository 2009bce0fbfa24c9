"""The API reference has every public name, and each says what it is."""

import ast
import functools
import importlib
import inspect
import itertools
import pkgutil
import re
import types

import pytest
from documented import ROOT

import uhseg_jax

PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
# Rooms whose modules are imported one by one, not from the room itself.
OF_MODULES = {"hierarchy", "metrics", "naming", "outlines", "refinement", "spectral"}
# What the commands are made of.
OF_COMMANDS = {"benchmarks", "cli", "comparison", "runs"}
# What RegionTree, refiners and the CRF are made of; of use to nobody else.
INNER = {
    "uhseg_jax.hierarchy.placement",
    "uhseg_jax.hierarchy.tree_file",
    "uhseg_jax.hierarchy.tree_views",
    "uhseg_jax.refinement.dense_crf.vertices",
    "uhseg_jax.refinement.tiles",
}


def rooms():
    """The modules that people import, those below `OF_MODULES` each."""
    found = [uhseg_jax]
    for room in pkgutil.iter_modules(uhseg_jax.__path__):
        if room.ispkg and room.name not in OF_COMMANDS:
            package = importlib.import_module(f"uhseg_jax.{room.name}")
            found.append(package)
            if room.name in OF_MODULES:
                prefix = f"{package.__name__}."
                inside = pkgutil.walk_packages(package.__path__, prefix)
                found += [importlib.import_module(x.name) for x in inside]
    return [x for x in found if x.__name__ not in INNER]


def is_ours(value):
    """Whether this is a class or a function of the package."""
    named = hasattr(value, "__qualname__")
    return named and value.__module__.startswith("uhseg_jax")


def names(module):
    """What a module is imported for; nothing from the empty one of a room."""
    return getattr(module, "__all__", ())


@functools.cache
def statements(module):
    return ast.parse(inspect.getsource(importlib.import_module(module))).body


def home(path):
    """The module and the name under which something is defined."""
    module, _, name = path.rpartition(".")
    value = getattr(importlib.import_module(module), name)
    if is_ours(value):
        return value.__module__, value.__qualname__
    for node in statements(module):
        if isinstance(node, ast.ImportFrom) and name in {x.name for x in node.names}:
            return home(f"{node.module}.{name}")
    return module, name


def documented():
    """Paths of all that the pages show; of modules, what their `__all__` names."""
    for page in PAGES:
        for path in re.findall(r"^::: (\S+)$", page.read_text(), re.M):
            try:
                module = importlib.import_module(path)
            except ModuleNotFoundError:
                yield path
            else:
                yield from (f"{path}.{name}" for name in names(module))


SHOWN = sorted({*documented()})


def test_every_public_name_is_in_the_reference():
    shown = {home(path) for path in SHOWN}
    public = [f"{x.__name__}.{name}" for x in rooms() for name in names(x)]
    assert len(public) > 300
    assert not [path for path in public if home(path) not in shown]


def test_every_page_shows_something_and_no_name_has_two_places():
    homes = [home(path) for path in SHOWN]
    assert sorted({x for x in homes if homes.count(x) > 1}) == []


def explained(module):
    """Names that a module assigns with a docstring after them, or decorates."""
    for node, after in itertools.pairwise([*statements(module), None]):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            yield node.name
        if isinstance(node, ast.Assign | ast.AnnAssign) and (
            isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        ):
            targets = getattr(node, "targets", None) or [node.target]
            yield from (x.id for x in targets if isinstance(x, ast.Name))


def without_docstrings(path):
    """The name, where it has none, and the members of a class that have none."""
    module, name = home(path)
    value = getattr(importlib.import_module(module), name)
    if not is_ours(value):
        return [] if name in explained(module) else [path]
    # A dataclass without a docstring has its signature for one.
    bare = not value.__doc__ or value.__doc__.startswith(f"{name}(")
    members = dict(vars(value)) if isinstance(value, type) else {}
    kinds = types.FunctionType | property | classmethod | staticmethod
    return [path] * bare + [
        f"{path}.{key}"
        for key, member in members.items()
        if not key.startswith("_")
        and key not in getattr(value, "__annotations__", {})
        and isinstance(member, kinds)
        and not inspect.getdoc(getattr(value, key))
    ]


def test_everything_in_the_reference_says_what_it_is():
    assert [x for path in SHOWN for x in without_docstrings(path)] == []


def test_the_page_of_the_tree_names_all_its_members():
    (page,) = (x for x in PAGES if x.stem == "region_tree")
    listed = re.findall(r"^ +- (\w+)$", page.read_text(), re.M)
    tree = uhseg_jax.RegionTree
    members = {x for x in dir(tree) if not x.startswith("_")}
    assert {*listed} == members - {*tree.__dataclass_fields__}


@pytest.mark.parametrize("page", PAGES, ids=lambda x: x.stem)
def test_pages_begin_with_a_title(page):
    assert page.read_text().startswith("# ")
