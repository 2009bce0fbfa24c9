"""What holds of all files: public names, addresses, versions, what is packed."""

import ast
import inspect
import pydoc
import re
import tomllib
from pathlib import Path

import pytest

import uhseg_jax

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "uhseg_jax"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TEXTS = {".md", ".py", ".toml", ".yml", ".ipynb", ".cff", ".txt", ".Dockerfile"}


def defined(module):
    """Names without an underscore that the top level of a module gives a meaning."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from (x.id for x in ast.walk(target) if isinstance(x, ast.Name))


def listed(module):
    """What ``__all__`` says; None where there is none."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


def test_every_module_lists_what_is_public():
    for path in PACKAGE.rglob("*.py"):
        module = ast.parse(path.read_text())
        names = {x for x in defined(module) if not x.startswith("_")}
        public = listed(module)
        assert public is not None or not names, f"{path} has no __all__"
        imported = {
            alias.asname or alias.name
            for node in ast.walk(module)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert {*(public or ())} <= names | imported, path


def imported_rooms(path):
    """The rooms of the package that a file imports from when it is imported itself."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            package, *inner = node.module.split(".")
            if package == PACKAGE.name:
                yield from inner[:1] or (x.name for x in node.names)


def test_imports_run_one_way():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text.partition("| folders |")[2], re.M)
    order = re.findall(r"`(\w+)(?:/|\.py)`", " ".join(rows))
    rooms = {x.name for x in PACKAGE.iterdir() if (x / "__init__.py").exists()}
    assert {*order} == rooms | {"api"}
    for index, room in enumerate(order):
        for path in (PACKAGE / f"{room}.py", *(PACKAGE / room).rglob("*.py")):
            if path.exists():
                upwards = {*imported_rooms(path)} & {*order[:index]}
                assert not upwards, f"{path} is below {upwards}"


@pytest.mark.parametrize("name", uhseg_jax.__all__)
def test_signatures_are_read_in_one_glance(name):
    found = getattr(uhseg_jax, name)
    members = vars(found).items() if inspect.isclass(found) else ()
    methods = {k: v for k, v in members if not k.startswith("_") and callable(v)}
    for member, function in {name: found, **methods}.items():
        said = str(inspect.signature(function))
        assert len(said) < 420, member
        for long in ("Union[", "numpy._typing", "jaxlib", "uhseg_jax."):
            assert long not in said, member


def test_help_begins_with_what_there_is_and_where_the_rest_lies():
    said = pydoc.render_doc(uhseg_jax, renderer=pydoc.plaintext)
    description = said.partition("DESCRIPTION")[2].partition("PACKAGE CONTENTS")[0]
    first = {line.split()[0] for line in description.splitlines() if line.split()}
    assert {*uhseg_jax.__all__} <= first
    rooms = {x.name for x in PACKAGE.iterdir() if (x / "__init__.py").exists()}
    assert len(first & rooms) > 10


def test_the_version_has_one_source():
    assert PROJECT["project"]["dynamic"] == ["version"]
    released = re.findall(
        r"^## (\d+\.\d+\.\d+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert released == sorted(released, reverse=True)
    citation = (ROOT / "CITATION.cff").read_text()
    version, date = released[0]
    assert version == uhseg_jax.__version__
    assert f"\nversion: {version}\ndate-released: {date}\n" in citation


def test_the_repository_has_one_address():
    address = PROJECT["project"]["urls"]["Repository"]
    owner, name = address.removeprefix("https://github.com/").split("/")
    files = [x for x in ROOT.iterdir() if x.suffix in TEXTS]
    for folder in ("colab", "containers", "docs", "uhseg_jax", "configs"):
        files += [x for x in (ROOT / folder).rglob("*") if x.suffix in TEXTS]
    for path in files:
        owners = re.findall(rf"github\.com/([\w.-]+)/{name}\b", path.read_text())
        assert {*owners} <= {owner}, path


def test_every_file_of_the_package_is_packed():
    globs = PROJECT["tool"]["setuptools"]["package-data"]["uhseg_jax"]
    packed = {path for glob in globs for path in PACKAGE.glob(glob)}
    files = {
        x for x in PACKAGE.rglob("*") if x.is_file() and "__pycache__" not in x.parts
    }
    assert {x for x in files if x.suffix != ".py"} == packed
    assert (PACKAGE / "py.typed").exists()
