"""Features in files: found by the names of images, and read for what they are."""

import io
import zipfile

import numpy as np
import pytest

from uhseg_jax.features import FeatureFolder, at_unit_length, checked_features
from uhseg_jax.images import ImageError

GRID = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    return FeatureFolder(tmp_path)


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def header(shape):
    file = io.BytesIO()
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)
    return file.getvalue()


@pytest.mark.parametrize(
    "file", ["sub/a.npy", "sub/a.jpg.npy", "sub/a.npz", "sub/a.jpg.npz"]
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_features_are_found_by_the_name_of_the_image(folder, file, dtype):
    path = folder.folder / file
    path.parent.mkdir()
    save = np.save if path.suffix == ".npy" else np.savez_compressed
    save(path, np.asfortranarray(GRID.astype(dtype)))
    found = folder.read("sub/a.jpg")
    np.testing.assert_array_equal(found, GRID.astype(dtype))
    assert folder.path_of("sub/a.jpg") == path
    if ".jpg" not in file:
        assert folder.path_of("sub/a") == path  # as datasets name images


def test_an_image_with_its_suffix_comes_before_one_without(folder):
    np.save(folder.folder / "a.npy", GRID)
    np.save(folder.folder / "a.png.npy", 2 * GRID)
    assert folder.read("a.png").sum() == 2 * folder.read("a.jpg").sum()
    # A dot in a name is no suffix of an image.
    np.save(folder.folder / "v1.2.npy", 3 * GRID)
    assert folder.path_of("v1.2").name == "v1.2.npy"


def test_one_array_of_several_is_that_called_features(folder):
    arrays = {"features": GRID, "attention": GRID[..., 0]}
    (folder.folder / "a.npz").write_bytes(npz(**arrays))
    np.testing.assert_array_equal(folder.read("a.jpg"), GRID)


BAD = {
    "missing": (None, r"expected its features in .*a\.npy or \.npz, but there is no"),
    "empty": (b"", "damaged"),
    "text": (b"1 2 3\n4 5 6\n", "damaged"),
    "cut off": (npy(GRID)[:-8], r"expected 240 bytes of an array \(3, 4, 5\), but the"),
    "cut off archive": (npz(x=GRID)[:-30], "damaged"),
    "objects": (npy(np.array([{}])), "Python objects, which are not loaded"),
    "several": (npz(one=GRID, two=GRID), r"one called features, but .* 2 \(one, two\)"),
    "none": (npz(), r"but the file holds 0 \(none\)"),
    "flat": (npy(GRID[0]), r"expected features \[h, w, d\] .* got shape \(4, 5\)"),
    "batch": (npy(GRID[None]), r"got shape \(1, 3, 4, 5\)"),
    "empty axis": (npy(GRID[:0]), "no empty axis"),
    "integers": (npy(GRID.astype(np.int32)), r"but got int32; convert them with"),
    "nan": (npy(np.where(GRID > 1, np.nan, GRID)), "vectors hold NaN or infinity"),
    "huge": (
        header((9999999, 9999999, 9)),
        r"expected \d+ bytes of an array \(9999999, 9999999, 9\), but the file holds 0",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_holds_no_features_is_refused_in_a_sentence(folder, bad):
    content, words = BAD[bad]
    path = folder.folder / "a.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=words) as caught:
        folder.read("a.jpg")
    assert str(caught.value).startswith(str(path) if content is not None else "a.jpg: ")
    assert str(caught.value).endswith(".")


def test_arrays_are_not_taken_at_the_word_of_an_archive(folder, monkeypatch):
    with zipfile.ZipFile(folder.folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", npy(np.zeros((64, 64, 64), np.float32)))
    monkeypatch.setattr("uhseg_jax.features.folder._MOST_BYTES", 2**19)
    with pytest.raises(ImageError, match=r"at most 512 KiB, but they take 1 MiB") as e:
        folder.read("a")
    assert str(e.value).startswith(f"{folder.folder / 'a.npz'}: expected features of")
    assert "damaged" not in str(e.value)


@pytest.mark.parametrize("ask", [FeatureFolder.read, FeatureFolder.digest])
def test_files_that_are_too_large_are_not_read(folder, monkeypatch, ask):
    (folder.folder / "a.npy").write_bytes(npy(GRID))
    monkeypatch.setattr("uhseg_jax.features.folder._MOST_BYTES", 64)
    with pytest.raises(ImageError, match=r"a\.npy: expected features of at most 64"):
        ask(folder, "a")


def test_a_lack_of_memory_is_no_damage(folder, monkeypatch):
    def greedy(*_, **__):
        raise MemoryError

    np.save(folder.folder / "a.npy", GRID)
    monkeypatch.setattr("uhseg_jax.features.folder.checked_features", greedy)
    with pytest.raises(MemoryError):
        folder.read("a")


def test_two_files_for_one_image_are_refused(folder):
    np.save(folder.folder / "a.npy", GRID)
    np.savez(folder.folder / "a.npz", GRID)
    with pytest.raises(ImageError, match=r"a\.npy and a\.npz; delete one"):
        folder.read("a.jpg")


@pytest.mark.parametrize("name", ["../a.jpg", "sub/../../a", ".."])
def test_names_do_not_lead_out_of_the_folder(tmp_path, name):
    np.save(tmp_path / "a.npy", GRID)
    (tmp_path / "in").mkdir()
    with pytest.raises(ImageError, match="no such file"):
        FeatureFolder(tmp_path / "in").read(name)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder; check the path"):
        FeatureFolder(tmp_path / "nowhere")


def test_digests_are_of_the_bytes_and_others_are_then_refused(folder):
    path = folder.folder / "a.npy"
    np.save(path, GRID)
    before = folder.digest("a.jpg"), folder.fingerprint()
    assert (folder.digest("a"), folder.fingerprint()) == before
    np.save(path, 2 * GRID)
    with pytest.raises(ImageError, match="changed while the run was going on"):
        folder.read("a.jpg")
    assert folder.digest("a.jpg") != before[0]
    assert folder.fingerprint() != before[1]
    np.testing.assert_array_equal(folder.read("a.jpg"), 2 * GRID)
    before = folder.fingerprint()
    np.save(folder.folder / "b.npy", GRID)
    assert FeatureFolder(folder.folder).fingerprint() != before


def test_unit_length_is_that_of_any_scale():
    scales = np.array([1e-300, 1.0, 1e300, 0.0])[:, None]
    vectors = scales * np.array([[3.0, 4.0]])
    found = at_unit_length(checked_features(vectors[None], batched=False))
    wanted = [[0.6, 0.8]] * 3 + [[0, 0]]
    np.testing.assert_allclose(found[0], wanted, rtol=1e-6)
    assert found.dtype == np.float32
