import numpy as np
import pytest

from uhseg_jax.benchmarks import photographs
from uhseg_jax.images import find_images, read_image


def test_a_photograph_has_the_size_that_is_wanted():
    one, again, other = (photographs.photograph(i, (40, 25)) for i in (0, 0, 3))
    assert one.shape == (40, 25, 3)
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()  # another part of the same photograph


def test_random_sizes_are_the_same_on_every_run():
    sizes = list(photographs.random_sizes(200, low=64, high=1200))
    assert sizes[:20] == list(photographs.random_sizes(20, low=64, high=1200))
    sides = np.array(sizes)
    assert sides.min() >= 64
    assert sides.max() <= 1200
    assert (sides.max(axis=1) / sides.min(axis=1)).max() <= 3.1
    assert len(set(sizes)) > 190


def test_a_folder_holds_one_image_of_every_size():
    sizes = [(30, 40), (25, 20)]
    with photographs.folder_of(sizes) as folder:
        found = [read_image(x).shape[:2] for x in find_images([folder])]
    assert found == sizes
    assert not folder.exists()


def test_twelve_sizes_are_twelve():
    assert len(set(photographs.TWELVE)) == 12


@pytest.mark.parametrize("size", [(1, 1), (3, 90)])
def test_sizes_may_be_odd(size):
    assert photographs.photograph(5, size).shape == (*size, 3)
