"""Contour maps as files: what other programs read, and bytes that stay the same."""

import dataclasses

import numpy as np
import pytest
import scipy.io
from export_results import result_of
from PIL import Image
from trees import quadrants, random_tree

from uhseg_jax import export
from uhseg_jax.export import EXPORTERS, ExportOptions, Provenance
from uhseg_jax.hierarchy.ultrametric import Ultrametric

MADE_OF = Provenance(settings="0" * 64, source="1" * 64)


@pytest.fixture
def written(tmp_path):
    """A tree, and the folder with its contours as ``a.ucm.png`` and so on."""
    tree = random_tree(5)
    result = dataclasses.replace(result_of(tree, name="a"), provenance=MADE_OF)
    destination = export.Folder(tmp_path)
    with export.open_formats(["ucm"], destination, ExportOptions()) as writer:
        writer.add(result)
    return result, tmp_path


def test_scipy_and_numpy_read_the_map_of_the_tree(written):
    result, folder = written
    contours = result.tree.ultrametric()
    mat = scipy.io.loadmat(folder / "a.ucm.mat")
    with np.load(folder / "a.ucm.npz") as file:
        for found in (mat["ucm2"], file["ucm2"]):
            assert found.dtype == np.float64
            np.testing.assert_array_equal(found, contours.edges)
        np.testing.assert_array_equal(
            Ultrametric(file["ucm2"]).cut(0.4), contours.cut(0.4)
        )
    with Image.open(folder / "a.ucm.png") as image:
        assert image.mode == "L"
        expected = np.rint(255 * contours.image())
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_files_say_how_they_were_made_and_not_when(written):
    result, folder = written
    how = f"contours of strength 1 - cost of {MADE_OF.short()}"
    header = (folder / "a.ucm.mat").read_bytes()[:116].decode().rstrip()
    assert header == f"MATLAB 5.0 MAT-file, uhseg_jax {how}"
    with np.load(folder / "a.ucm.npz") as file:
        assert str(file["uhseg_jax"]) == how
    exporter = EXPORTERS["ucm"]
    (*contents,) = exporter.render(result, ExportOptions())
    for file, content in zip(exporter.files(["a"]), contents, strict=True):
        assert (folder / file).read_bytes() == content


@pytest.mark.parametrize("lost", ["png", "npz", "mat"])
def test_all_are_made_again_where_one_is_missing(written, lost):
    result, folder = written
    path = folder / f"a.ucm.{lost}"
    content = path.read_bytes()
    path.unlink()
    destination = export.Folder(folder)
    with export.open_formats(["ucm"], destination, ExportOptions()) as writer:
        assert list(writer.render(result, keep=True).contents) == ["ucm"]
        writer.add(result, keep=True)
        assert list(writer.render(result, keep=True).contents) == []
    assert path.read_bytes() == content


def test_an_image_too_large_for_a_mat_file_is_refused():
    small = result_of(quadrants(), "huge.jpg", name="a")
    shape = (8200, 8200)
    labels = np.broadcast_to(np.int32(3), shape)
    huge = dataclasses.replace(
        small,
        image=np.broadcast_to(np.uint8(0), (*shape, 3)),
        tree=dataclasses.replace(small.tree, labels=labels),
    )
    with pytest.raises(ValueError, match=r"huge\.jpg: .*67 megapixels.*8200 x 8200"):
        EXPORTERS["ucm"].render(huge, ExportOptions())
