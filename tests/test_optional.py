"""Packages that are no dependency are named where they are missing."""

import sys
import types

import pytest

from uhseg_jax.errors import SentenceError
from uhseg_jax.optional import OPTIONAL, MissingPackageError, imported, is_installed


def test_a_package_that_is_missing_is_named_with_its_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "higra", None)
    for kind in (MissingPackageError, ImportError, SentenceError):
        with pytest.raises(kind) as caught:
            imported("higra", "tree.to_higra")
        assert str(caught.value) == (
            "tree.to_higra needs the package higra, which is not installed: "
            "pip install higra"
        )


def test_a_package_that_is_damaged_is_not_called_missing(monkeypatch, tmp_path):
    (tmp_path / "higra.py").write_text("import nowhere_to_be_found")
    monkeypatch.delitem(sys.modules, "higra", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert is_installed("higra")
    with pytest.raises(
        MissingPackageError, match=r"cannot be imported \(No module nam"
    ):
        imported("higra", "x")


def test_parts_are_imported_too(monkeypatch):
    package, part = types.ModuleType("supervision"), types.ModuleType("part")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "supervision", package)
    monkeypatch.setitem(sys.modules, "supervision.part", part)
    assert imported("supervision", "x", "part") is package
    with pytest.raises(MissingPackageError, match="cannot be imported"):
        imported("supervision", "x", "other")


def test_only_packages_of_the_table_are_asked_for():
    assert not any(x.isspace() for name in OPTIONAL for x in name)
    with pytest.raises(ValueError, match=r"unknown optional package.*mean 'higra'"):
        is_installed("higr")
