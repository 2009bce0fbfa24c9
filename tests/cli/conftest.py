"""Small photographs and what the command that segments found in them."""

import shutil

import pytest
from segment_command import (
    TITLES,
    segment,
)
from small_runs import photograph


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Photographs and what was found in them; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    for i, title in enumerate(TITLES):
        photograph(folder / "photos" / title, seed=i, size=(40 + i, 30))
    assert segment(folder / "photos", output=folder / "out") == 0
    return folder


@pytest.fixture
def done(finished, tmp_path):
    """A copy of those, with the times of the files."""
    return shutil.copytree(finished, tmp_path / "done")


@pytest.fixture
def photos(done):
    return done / "photos"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"
