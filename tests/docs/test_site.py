"""The documentation's site: its settings, and what its build adds to MkDocs."""

import sys
import tomllib

import pytest
import yaml
from documented import ROOT

SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
REPOSITORY = "https://example.com/repo"


def test_the_repository_is_the_projects():
    with open(ROOT / "pyproject.toml", "rb") as file:
        urls = tomllib.load(file)["project"]["urls"]
    assert SITE["repo_url"] == urls["Repository"]
    assert SITE["repo_url"].endswith("/" + SITE["repo_name"])


def pages(nav):
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages(part)]


def test_the_navigation_has_every_page_once():
    listed = pages(SITE["nav"])
    docs = ROOT / "docs"
    there = {x.relative_to(docs).as_posix() for x in docs.rglob("*.md")}
    assert len(listed) == len({*listed})
    assert there | {"changelog.md", "contributing.md"} == {*listed}


@pytest.fixture(scope="module")
def hooks():
    """What the build imports, as MkDocs does it."""
    pytest.importorskip("mkdocs", reason="pip install '.[docs]' builds the site")
    pytest.importorskip("latex2mathml")
    before = {*sys.modules}
    sys.path.insert(0, str(ROOT / "docs" / "mkdocs"))
    yield
    sys.path.pop(0)
    for name in {*sys.modules} - before:
        if "docs/mkdocs" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


of_hooks = pytest.mark.usefixtures("hooks")


@of_hooks
@pytest.mark.parametrize(
    ("written", "goes_to"),
    [
        ("../use/page.md#colours", "../use/page.md#colours"),
        ("../../uhseg_jax/api.py", REPOSITORY + "/blob/main/uhseg_jax/api.py"),
        ("../../configs", REPOSITORY + "/tree/main/configs"),
        ("../../LICENSE#L3", REPOSITORY + "/blob/main/LICENSE#L3"),
        ("../../CONTRIBUTING.md#tests", "../contributing.md#tests"),
        ("../../uhseg_jax/nowhere.py", "../../uhseg_jax/nowhere.py"),
        ("https://example.com/x.md", "https://example.com/x.md"),
        ("#below", "#below"),
    ],
)
def test_links_to_files_outside_become_addresses(written, goes_to):
    from links import with_addresses

    source = ROOT / "docs" / "start" / "install.md"
    code = f"\n```\n[code]({written})\n```\n"
    text = with_addresses(
        f"[a]({written}) and [b]({written})\n{code}\n[c]: {written}\n",
        source,
        "start/install.md",
        REPOSITORY,
    )
    assert text == f"[a]({goes_to}) and [b]({goes_to})\n{code}\n[c]: {goes_to}\n"


@of_hooks
def test_links_of_files_at_the_root_lead_from_their_pages():
    from links import with_addresses

    text = with_addresses(
        "[a](docs/own/index.md) [b](tests/conftest.py)",
        ROOT / "CONTRIBUTING.md",
        "contributing.md",
        REPOSITORY,
    )
    assert text == f"[a](own/index.md) [b]({REPOSITORY}/blob/main/tests/conftest.py)"


@of_hooks
def test_formulas_are_mathml():
    from formulas import with_mathml

    inline = with_mathml(r'<p><span class="arithmatex">\(x_1 &lt; 2\)</span></p>')
    assert "<math" in inline
    assert "<mo>&lt;</mo>" in inline or "<mo>&#x0003C;</mo>" in inline
    assert "arithmatex" not in inline
    block = with_mathml('<div class="arithmatex">\\[\\frac{a}{b}\\]</div>')
    assert 'display="block"' in block
    assert "<mfrac>" in block


@of_hooks
def test_names_lead_to_the_reference():
    from names import with_links

    link = '<autoref optional identifier="uhseg_jax.images.resize">'
    name = "<code>uhseg_jax.images.resize</code>"
    assert with_links(f"<td>{name}") == f"<td>{link}{name}</autoref>"
    for left in (f'<a href="x">{name}</a>', "<code>uhseg_jax.x = 1</code>"):
        assert with_links(left) == left


SITE_FILES = {
    "index.html": """
        <link rel="stylesheet" href="style.css"><h1 id="top">x</h1>
        <a href="sub/page.html#there">x</a> <a href="#top">x</a>
        <a href="https://example.com/repo/blob/main/README.md">x</a>
        <a href="https://example.org/?q=a#b">x</a> <img src="data:image/png;base64,">
    """,
    "sub/page.html": '<h2 id="there">x</h2><a href="../index.html">x</a>',
    "404.html": '<a href="/sub/page.html">x</a>',
    "style.css": "",
}


def faults(folder, **more):
    from check import faults

    for name, text in {**SITE_FILES, **more}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return faults(folder, REPOSITORY)


@of_hooks
def test_a_site_whose_links_lead_somewhere_has_no_faults(tmp_path):
    assert faults(tmp_path) == {}


@of_hooks
@pytest.mark.parametrize(
    ("html", "says"),
    [
        ('<a href="nowhere.html">x</a>', "no such file"),
        ('<a href="../../etc/passwd">x</a>', "no such file"),
        ('<a href="sub/page.html#here">x</a>', "no such place"),
        ('<a href="http//example.org">x</a>', "no such file"),
        ('<a href="https://example">x</a>', "no address"),
        (
            f'<a href="{REPOSITORY}/blob/main/nowhere.py">x</a>',
            "has no file nowhere.py",
        ),
        ('<script src="https://example.org/a.js"></script>', "without a network"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "without a network"),
        ('<img src="https://example.org/a.png">', "without a network"),
        ('<img srcset="a.png 2x">', "no such file"),
    ],
)
def test_a_fault_is_said(tmp_path, html, says):
    found = faults(tmp_path, **{"bad.html": html})
    assert list(found) == ["bad.html"]
    (sentence,) = found["bad.html"]
    assert says in sentence


@of_hooks
def test_docstrings_become_pages():
    import griffe
    from docstrings import Docstrings
    from signatures import Signatures

    package = griffe.load(
        "uhseg_jax",
        search_paths=[ROOT],
        extensions=griffe.load_extensions(Docstrings, Signatures),
        allow_inspection=False,
    )
    segment = package["api.segment"].docstring.value
    assert "```pycon\n>>> import uhseg_jax\n" in segment
    assert "doctest" not in segment
    link = '<autoref optional identifier="uhseg_jax.images.read_image">'
    assert link + "`images.read_image`</autoref>" in segment
    costs = package["spectral.ncut.ncut_costs"].signature()
    assert 'labels: Int[Array, "s"]' in costs
    config = package["methods.region_merging.Config"]
    assert "Annotated" not in config.signature()
    assert not [x for x in config.bases if "Validated" in str(x)]
    tree = package["hierarchy.tree.RegionTree"]
    assert "labels: Int" in tree.signature()
