"""What stays of earlier runs where images are to be segmented."""

import numpy as np
import pytest
from trees import quadrants

from uhseg_jax import export
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.record import RunError
from uhseg_jax.runs.segment_claims import claim_images
from uhseg_jax.runs.settings import digest

PIXELS = np.zeros((8, 12, 3), np.uint8)
IMAGES = [RunImage(PIXELS, "sub/a", "a.jpg")]
OLD = {"kind": "segment", "version": "1", "weights_sha256": "0", "config": {}}
NEW = {**OLD, "version": "2"}
FORMATS = ("npz", "png", "labels", "ucm", "coco", "html")


def run(output, settings):
    """Writes the files of a run."""
    with (
        claim_images(output, settings, IMAGES) as made,
        export.open_formats(FORMATS, made, export.ExportOptions((2,))) as writer,
    ):
        made_of = export.Provenance(made.settings_sha256, "1" * 64)
        tree = quadrants()
        writer.add(export.Result("sub/a", "a.jpg", PIXELS, tree, provenance=made_of))
    kept = output / "passes" / digest(settings) / "seed-0/levels.npz"
    kept.parent.mkdir(parents=True)
    kept.touch()
    return kept


def files(folder):
    found = (x.relative_to(folder) for x in folder.rglob("*") if x.is_file())
    return {x.as_posix() for x in found}


def test_results_of_other_settings_do_not_stay_beside_those_in_force(tmp_path):
    kept = run(tmp_path, OLD)
    (tmp_path / "figure.png").write_bytes((tmp_path / "sub/a.png").read_bytes())
    with pytest.raises(RunError, match="version 1 there and 2 now"):
        claim_images(tmp_path, NEW, IMAGES)
    assert kept.exists()
    claim_images(tmp_path, NEW, IMAGES, formats=["npz"], overwrite=True).close()
    # A tree says itself what it is of, and a copy is nobody's business.
    assert files(tmp_path) == {"run.json", "sub/a.npz", "figure.png"}


def test_what_was_kept_of_the_same_settings_goes_where_all_is_done_again(tmp_path):
    kept = run(tmp_path, OLD)
    before = files(tmp_path)
    claim_images(tmp_path, OLD, IMAGES).close()
    assert kept.exists()
    claim_images(tmp_path, OLD, IMAGES, overwrite=True).close()
    assert before - files(tmp_path) == {kept.relative_to(tmp_path).as_posix()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_files_that_are_only_called_like_ours_stay(tmp_path, overwrite):
    mine = tmp_path / "passes" / ("0" * 64) / "seed-0/levels.npz"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    (tmp_path / "notes.npz").write_text("mine")
    claim_images(tmp_path, OLD, IMAGES, overwrite=overwrite).close()
    assert mine.read_text() == "mine"
