"""Whose trees of rasters go where a folder is claimed."""

import numpy as np
import pytest

from uhseg_jax.files import write_json
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.raster_claims import MADE_OF, claim_rasters
from uhseg_jax.runs.record import RunError
from uhseg_jax.runs.segment_rasters import _begin
from uhseg_jax.runs.settings import digest

PIXELS = np.zeros((8, 12, 3), np.uint8)
FINE = {"kind": "segment", "version": "1", "weights_sha256": "0", "tile": 1036}
COARSE = {**FINE, "tile": 2072}


def claim(output, settings, *names, overwrite=False):
    rasters = [RunImage(PIXELS, name, name) for name in names]
    return claim_rasters(output, settings, rasters, formats=(), overwrite=overwrite)


def tree(output, settings, name):
    """The folder of a tree of a run that has ended."""
    claim(output, settings, name).close()
    write_json(output / f"{name}.raster" / MADE_OF, {"settings": digest(settings)})
    return output / f"{name}.raster"


@pytest.mark.parametrize("overwrite", [False, True])
def test_trees_in_the_folder_of_another_run_stay(tmp_path, overwrite):
    other = tree(tmp_path / "fine", FINE, "a")
    claim(tmp_path, COARSE, "a", overwrite=overwrite).close()
    assert (other / MADE_OF).exists()


def test_trees_of_settings_that_are_replaced_go(tmp_path):
    old = tree(tmp_path, FINE, "sub/a")
    with pytest.raises(RunError, match="tile 1036 there and 2072 now"):
        claim(tmp_path, COARSE, "b")
    assert old.exists()
    claim(tmp_path, COARSE, "b", overwrite=True).close()
    assert not old.exists()


def test_only_the_rasters_of_a_run_are_made_again(tmp_path):
    kept, again = tree(tmp_path, FINE, "a"), tree(tmp_path, FINE, "sub/b")
    claim(tmp_path, FINE, "sub/b", overwrite=True).close()
    assert kept.exists()
    assert not again.exists()


@pytest.mark.parametrize("known", [{}, {"settings": digest(COARSE)}])
def test_a_folder_that_the_run_did_not_make_stays(tmp_path, known):
    note = tmp_path / "a.raster/note.txt"
    note.parent.mkdir()
    note.write_text("mine")
    made_of = {"settings": digest(FINE), "source": "1"}
    with pytest.raises(RunError, match="rename it"):
        _begin(note.parent, known, made_of)
    assert note.read_text() == "mine"
    _begin(note.parent, {**made_of, "source": "2"}, made_of)
    assert not note.exists()
