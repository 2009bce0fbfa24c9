"""The middle square of every image, brought to one size."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from uhseg_jax.datasets import Source
from uhseg_jax.datasets.source import Example
from uhseg_jax.datasets.views import CroppedSource
from uhseg_jax.taxonomy import Taxonomy

SIZES = [(5, 8), (8, 5), (7, 7), (6, 9), (9, 6), (1, 4), (40, 31)]


class Noise:
    """Images of noise, every id of 16 bits possible, two people, some objects."""

    name = "noise"
    taxonomy = Taxonomy.parse("class = 1\n")

    def __len__(self):
        return len(SIZES)

    def fingerprint(self):
        return "noise"

    def __getitem__(self, index):
        rng, size = np.random.default_rng(index), SIZES[index]
        return Example(
            f"noise {index}",
            rng.integers(0, 256, (*size, 3), np.uint8),
            rng.integers(0, 2**16, size, np.uint16),
            rng.integers(0, 9, (2, *size), np.uint16),
            rng.integers(-1, 9, size, np.int32),
        )


def middle(pixels):
    """As the release has it: the smaller half of an odd rest goes first."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


@pytest.mark.parametrize("index", range(len(SIZES)))
@pytest.mark.parametrize("side", [1, 5, 12, None])
def test_images_are_interpolated_and_ids_the_nearest_pixels(index, side):
    is_same = side is None
    side = side or min(SIZES[index])
    before, after = Noise()[index], CroppedSource(Noise(), side=side)[index]
    if is_same:  # a square of the right size is the image itself
        np.testing.assert_array_equal(after.image, middle(before.image))
    square = middle(before.image).astype(np.float64)
    length = square.shape[0]
    # Pixels are squares, so the first centre lies at one half; the border repeats.
    centres = (np.arange(side) + 0.5) * length / side - 0.5
    grid = np.meshgrid(centres, centres, indexing="ij")
    for channel in range(3):
        expected = ndimage.map_coordinates(
            square[..., channel], grid, order=1, mode="nearest"
        )
        found = after.image[..., channel].astype(np.float64)
        assert np.abs(found - expected).max() <= 0.5 + 1e-9  # integers
    nearest = [(2 * i + 1) * length // (2 * side) for i in range(side)]
    for name in ("labels", "instances"):
        ids, found = getattr(before, name), getattr(after, name)
        assert found.dtype == ids.dtype
        np.testing.assert_array_equal(found, middle(ids)[np.ix_(nearest, nearest)])
    for ids, found in zip(before.annotations, after.annotations, strict=True):
        np.testing.assert_array_equal(found, middle(ids)[np.ix_(nearest, nearest)])


def test_the_view_is_a_source_of_its_own():
    source = CroppedSource(Noise(), side=4)
    assert isinstance(source, Source)
    assert (source.name, len(source)) == ("noise", len(SIZES))
    assert source.taxonomy is Noise.taxonomy
    prints = {CroppedSource(Noise(), side=side).fingerprint() for side in (4, 5)}
    assert len(prints | {Noise().fingerprint()}) == 3

    class Plain(Noise):
        def __getitem__(self, index):
            example = super().__getitem__(index)
            return dataclasses.replace(example, annotations=None, instances=None)

    example = CroppedSource(Plain(), side=4)[0]  # what a source lacks stays away
    assert (example.name, example.annotations, example.instances) == (
        "noise 0",
        None,
        None,
    )
    for bad in (0, -3):
        with pytest.raises(ValueError, match="side must be an integer of at least 1"):
            CroppedSource(Noise(), side=bad)
