"""Dockerfiles: what they copy is there, and what they run is ours and nobody's root."""

import re
import tomllib

import pytest
from documented import ROOT, blocks

FILES = sorted((ROOT / "containers").glob("*.Dockerfile"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def lines(request):
    """The instructions of a file, one a line, without comments."""
    text = re.sub(r"^#.*\n", "", request.param.read_text(), flags=re.M)
    return text.replace("\\\n", " ").splitlines()


def test_all_that_building_the_package_needs_is_copied(lines):
    copied = {
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert all((ROOT / x).exists() for x in copied)
    needed = {"pyproject.toml", "setup.py", "configs", "uhseg_jax"}
    assert copied >= needed | {PROJECT["readme"], *PROJECT["license-files"]}


def test_extras_and_the_version_of_python_are_known(lines):
    (python,) = {x.partition("=")[2] for x in lines if x.startswith("ARG PYTHON")}
    assert any(x.endswith(f":: {python}") for x in PROJECT["classifiers"])
    (extras,) = re.findall(r'pip install "\.\[([\w,]+)\]"', "\n".join(lines))
    assert {*extras.split(",")} <= {*PROJECT["optional-dependencies"]}


def test_commands_run_as_an_ordinary_user_with_a_cache_that_stays(lines):
    last = "\n".join(lines).rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.M)
    (cache,) = re.findall(r"UHSEG_CACHE=(\S+)", last)
    assert f"\nVOLUME {cache}\n" in last
    (command,) = re.findall(r'^CMD \["([\w-]+)"', last, re.M)
    assert command in PROJECT["scripts"]


def test_one_user_runs_all_containers_of_the_page_since_only_it_may_write_the_cache():
    (block,) = (
        x for x in blocks(ROOT / "docs" / "use" / "caches.md", "bash") if "docker" in x
    )
    runs = [x for x in block.replace("\\\n", " ").splitlines() if "docker run" in x]
    assert len(runs) >= 3
    assert {x.split("--user ")[-1].split()[0] for x in runs} == {'"$me"'}


def test_the_repository_is_where_the_project_says():
    page = (ROOT / "docs" / "start" / "install.md").read_text()
    found = {*re.findall(r"git\+(\S+?)[\"\s]", page)}
    assert found == {PROJECT["urls"]["Repository"]}
