"""Volumes: slices of files and arrays with common tones, and labels back in place."""

import numpy as np
import pytest
import tifffile
from color_method import METHOD
from PIL import Image

import uhseg_jax
from uhseg_jax.video import VideoError, open_volume, save_volume


@pytest.fixture(scope="module")
def volume():
    """A volume of int16 whose third slice is the brightest."""
    rng = np.random.default_rng(0)
    values = rng.integers(-900, -700, (4, 12, 10)).astype(np.int16)
    values[2] += 1500
    return values


def slices(source):
    return np.stack(list(source.frames()))


def test_tones_are_those_of_the_whole_volume(volume):
    found = slices(open_volume(volume))
    assert found.shape == (4, 12, 10, 3)
    assert found.dtype == np.uint8
    low, high = volume.min(), volume.max()
    wanted = (volume.astype(float) - low) / (high - low) * 255
    np.testing.assert_allclose(found[..., 0], wanted, atol=2)
    assert found[2].min() > found[[0, 1, 3]].max()


def test_tones_may_be_given(volume):
    found = slices(open_volume(volume, tones=(-900, -700)))[..., 1]
    wanted = np.clip((volume + 900) / 200, 0, 1) * 255
    np.testing.assert_allclose(found, wanted, atol=0.51)
    with pytest.raises(VideoError, match="the lower value first"):
        open_volume(volume, tones=(5, 5))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_lie_across_an_axis_and_labels_come_back_to_it(volume, axis, tmp_path):
    source = open_volume(volume, axis=axis)
    found = slices(source)[..., 0]
    assert source.count == volume.shape[axis]
    by_hand = slices(open_volume(np.moveaxis(volume, axis, 0)))[..., 0]
    # Every so many values tell the tones, so the order of the axes does not matter.
    np.testing.assert_allclose(found.astype(int), by_hand, atol=1)
    save_volume(tmp_path / "labels.npy", np.moveaxis(volume, axis, 0), source)
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), volume)


def test_files_have_the_slices_of_the_array(volume, tmp_path):
    np.save(tmp_path / "a.npy", volume)
    tifffile.imwrite(tmp_path / "b.tif", volume, photometric="minisblack")
    tifffile.imwrite(
        tmp_path / "c.tiff",
        volume,
        photometric="minisblack",
        compression="zlib",
        tile=(16, 16),
    )
    for name in ("a.npy", "b.tif", "c.tiff"):
        source = open_volume(tmp_path / name)
        np.testing.assert_array_equal(slices(source), slices(open_volume(volume)))
        assert source.title == name
        first = next(source.frames(3))
        np.testing.assert_array_equal(first, slices(source)[3])


def test_colours_and_8_bits_stay_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    colored = rng.integers(0, 99, (3, 5, 6, 3), np.uint8)
    tifffile.imwrite(tmp_path / "colored.tif", colored, photometric="rgb")
    grey = colored[..., 0]
    tifffile.imwrite(tmp_path / "grey.tif", grey, photometric="minisblack")
    np.testing.assert_array_equal(
        slices(open_volume(tmp_path / "colored.tif")), colored
    )
    wanted = np.repeat(grey[..., None], 3, axis=-1)
    np.testing.assert_array_equal(slices(open_volume(tmp_path / "grey.tif")), wanted)


def test_a_folder_of_slices_is_a_volume_without_time(tmp_path):
    for i in range(3):
        Image.new("L", (8, 6), 40 * i).save(tmp_path / f"s{i}.png")
    source = open_volume(tmp_path)
    assert (source.rate, source.count) == (0.0, 3)
    assert slices(source)[:, 0, 0, 0].tolist() == [0, 40, 80]


def test_pages_written_one_by_one_are_one_stack(volume, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in volume:
            file.write(page, photometric="minisblack")
    found = slices(open_volume(tmp_path / "a.tif"))
    np.testing.assert_array_equal(found, slices(open_volume(volume)))
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(volume[0], photometric="minisblack")
        file.write(volume[0, :5], photometric="minisblack")
    with pytest.raises(VideoError, match=r"one size .* \(5, 10\) .* and \(12, 10\)"):
        open_volume(tmp_path / "b.tif")


@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_thumbnail_before_the_slices_is_not_the_volume(volume, tmp_path, tile):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(volume[0, ::2, ::2], photometric="minisblack", subfiletype=1)
        file.write(volume, photometric="minisblack", tile=tile)
    found = slices(open_volume(path))
    np.testing.assert_array_equal(found, slices(open_volume(volume)))


def test_channels_are_no_slices(tmp_path):
    image = np.zeros((3, 12, 10), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, image, photometric="rgb", planarconfig="separate")
    with pytest.raises(VideoError, match="its axes are SYX"):
        open_volume(path)


def test_stacks_are_no_slices_of_a_folder(volume, tmp_path):
    tifffile.imwrite(tmp_path / "1.tif", volume[0], photometric="minisblack")
    tifffile.imwrite(tmp_path / "2.tif", volume, photometric="minisblack")
    with pytest.raises(VideoError, match=r"2\.tif: .* several pages"):
        open_volume(tmp_path)


def test_what_does_nothing_is_refused(tmp_path):
    Image.new("L", (8, 6)).save(tmp_path / "s.png")
    for more in ({"axis": 1}, {"tones": (0, 9)}):
        with pytest.raises(VideoError, match="axis and tones are for volumes of one"):
            open_volume(tmp_path, **more)
        with pytest.raises(VideoError, match="expected neither axis nor tones"):
            open_volume(open_volume(tmp_path), **more)


def test_labels_are_written_as_stacks(volume, tmp_path):
    labels = np.arange(480).reshape(4, 12, 10) + 40_000
    save_volume(tmp_path / "labels.tif", labels, open_volume(volume))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), labels)
    with pytest.raises(ValueError, match="whose size is"):
        save_volume(tmp_path / "other.tif", labels[:2], open_volume(volume))
    with pytest.raises(ValueError, match=r"ends in \.npy"):
        save_volume(tmp_path / "labels.png", labels, open_volume(volume))
    assert [x.name for x in tmp_path.iterdir()] == ["labels.tif"]


def test_a_tree_goes_through_the_slices():
    volume = np.full((3, 36, 48, 3), (40, 90, 200), np.uint8)
    volume[1:, 10:26, 8:24] = (220, 60, 30)
    tree = uhseg_jax.segment_volume(volume, method=METHOD, model="dinov2_test")
    assert (len(tree), tree.rate) == (3, 0.0)
    square = tree.cut(num_regions=2) == 2
    assert (square != (volume[..., 0] > 128)).sum() < 9
    assert not square[0].any()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", b"no array", "cut short or damaged"),
        ("a.tif", b"II*\0 no stack", "cut short or damaged"),
        ("a.mha", b"", r"expected a volume, \.nii"),
        ("missing.tif", None, "no such file"),
    ],
)
def test_what_is_no_volume_is_said_in_a_sentence(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoError, match=words):
        open_volume(tmp_path / name)


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5, 7), (0, 4, 5)])
def test_arrays_of_other_shapes_are_refused(shape):
    with pytest.raises(VideoError, match="expected a volume of shape"):
        open_volume(np.zeros(shape, np.float32))


def test_values_that_are_masked_are_refused():
    masked = np.ma.masked_equal(np.arange(24.0).reshape(2, 3, 4), 5)
    with pytest.raises(VideoError, match=r"fill them, as with volume\.filled"):
        open_volume(masked)
    assert open_volume(np.ma.array(masked.data)).count == 2


def test_what_the_system_says_is_no_damage(tmp_path, monkeypatch):
    def forbidden(*args, **more):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.npy").write_bytes(b"anything")
    monkeypatch.setattr(np, "load", forbidden)
    with pytest.raises(VideoError, match="the system says: Permission denied"):
        open_volume(tmp_path / "a.npy")


def test_pages_of_several_sizes_are_refused(tmp_path, volume):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in (volume[0], volume[1], volume[2][:5]):
            file.write(page, contiguous=False)
    with pytest.raises(VideoError, match="expected pages of one size"):
        open_volume(tmp_path / "a.tif")


@pytest.mark.readers
def test_points_in_time_are_not_taken_for_colours(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6, 3), np.int16), np.eye(4))
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(VideoError, match="one point in time"):
        open_volume(tmp_path / "a.nii")


@pytest.mark.readers
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_is_read_in_its_units_and_labels_have_its_place(tmp_path, volume, suffix):
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([0.8, 4.0, 0.8, 1.0])  # slices lie far apart along axis 1
    affine[:3, 3] = -30, 12, 7
    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_slope_inter(2.0, -10.0)
    nibabel.save(image, tmp_path / f"scan{suffix}")
    stored = nibabel.load(tmp_path / f"scan{suffix}")
    values = stored.get_fdata()
    source = open_volume(tmp_path / f"scan{suffix}", tones=(-900, 600))
    assert (source.axis, source.count) == (1, 12)
    wanted = np.clip((values + 900) / 1500, 0, 1) * 255
    np.testing.assert_allclose(
        np.moveaxis(slices(source)[..., 0], 0, 1), wanted, atol=0.51
    )
    labels = np.arange(480).reshape(12, 4, 10)
    save_volume(tmp_path / f"labels{suffix}", labels, source)
    found = nibabel.load(tmp_path / f"labels{suffix}")
    np.testing.assert_array_equal(found.affine, stored.affine)
    np.testing.assert_array_equal(np.asarray(found.dataobj), np.moveaxis(labels, 0, 1))


@pytest.mark.readers
def test_damaged_nifti_is_said_in_a_sentence(tmp_path):
    pytest.importorskip("nibabel")
    (tmp_path / "a.nii.gz").write_bytes(b"no scan")
    with pytest.raises(VideoError, match="cut short or damaged"):
        open_volume(tmp_path / "a.nii.gz")
