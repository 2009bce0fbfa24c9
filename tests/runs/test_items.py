"""What happens to the single image of a batch."""

import dataclasses
import errno
import functools
import os

import numpy as np
import pytest
import small_runs
from PIL import Image
from trees import quadrants

from uhseg_jax.export import ExportOptions, Rendered, Result, Writer
from uhseg_jax.images import ImageError, read_image
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.items import Item, segment_items, write_item
from uhseg_jax.runs.record import RunError

PIXELS = np.zeros((8, 12, 3), np.uint8)


class Unable(Writer):
    """One that cannot write."""

    def __init__(self, error):
        super().__init__({}, ExportOptions())
        self.error = error

    def put(self, rendered):
        raise self.error


@pytest.fixture
def item():
    image = RunImage(PIXELS, "a", "a.jpg")
    return Item(0, image, PIXELS, result=Result("a", "a.jpg", PIXELS, quadrants()))


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied", "out/sub/a.npz"),
        NotADirectoryError(errno.ENOTDIR, "Not a directory", "out/sub/a.npz"),
        OSError(errno.ENAMETOOLONG, "File name too long", "out/sub/a.npz"),
        ValueError("out/sub/a.npz: too many nodes."),
        RunError("out/sub/a.npz: the file is there, but no run wrote it."),
    ],
)
def test_an_image_that_cannot_have_its_files_fails_alone(item, error):
    written = write_item(Unable(error), item, Rendered("a", {}))
    assert written.failure.startswith("out/sub/a.npz: ")
    assert written.result is None


def test_a_full_disk_stops_the_run(item):
    full = OSError(errno.ENOSPC, "No space left on device", "out/a.npz")
    with pytest.raises(OSError, match="No space left"):
        write_item(Unable(full), item, Rendered("a", {}))


def test_an_image_is_known_by_the_bytes_it_was_decoded_from(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    image = RunImage(path, "a", "a.png")
    pixels, digest = image.read()
    np.testing.assert_array_equal(pixels, read_image(path))
    os.utime(path, (1, 1))
    assert image.read()[1] == digest == dataclasses.replace(image).identity
    Image.fromarray(PIXELS).save(path, compress_level=0)
    assert image.read()[1] != digest
    path.unlink()
    assert dataclasses.replace(image).identity == "absent"
    with pytest.raises(ImageError, match=r"a\.png: there is no such file"):
        image.read()
    assert (
        RunImage(PIXELS, "a", "a").identity
        != RunImage(PIXELS.reshape(12, 8, 3), "a", "a").identity
    )


@pytest.mark.parametrize("is_there", [True, False])
def test_an_image_that_changes_after_the_settings_knew_it_has_no_result(
    tmp_path, is_there
):
    path = tmp_path / "a.png"
    image = RunImage(path, "a", "a.png")
    if is_there:
        Image.fromarray(PIXELS).save(path)
        assert image.identity == image.read()[1]
    else:
        assert image.identity == "absent"
    Image.fromarray(PIXELS + 1).save(path)
    with pytest.raises(ImageError, match=r"a\.png: the image changed while the run"):
        image.read()


def test_an_image_too_large_for_the_memory_there_is_fails_alone(tmp_path, monkeypatch):
    def read_file(path, *, max_bytes):
        raise MemoryError

    monkeypatch.setattr("uhseg_jax.images.read_file", read_file)
    image = RunImage(tmp_path / "a.png", "a", "a.png")
    assert image.identity == "absent"
    with pytest.raises(ImageError, match=r"a\.png: too large"):
        image.read()


def test_an_image_whose_regions_do_not_fit_into_the_memory_fails_alone(monkeypatch):
    images = [np.full((8, 12 + i, 3), 40 * i, np.uint8) for i in range(3)]
    segmenter = Segmenter.create(
        model="dinov2_test",
        method="recursive_spectral",
        config=small_runs.CONFIG,
        refine="none",
    )
    refine = Segmenter.refine

    def fail(self, grid, features, image, prepared):
        if image.shape[1] == 13:
            raise MemoryError
        return refine(self, grid, features, image, prepared)

    monkeypatch.setattr(Segmenter, "refine", fail)
    items = [Item(i, RunImage(x, f"{i}", f"{i}.jpg"), x) for i, x in enumerate(images)]
    prepared = [functools.partial(segmenter.prepare, x) for x in images]
    found = list(segment_items(segmenter, items, prepared))
    assert [x.result is not None for x in found] == [True, False, True]
    assert found[1].failure.startswith("1.jpg: the regions of an image of 13 x 8 pix")
