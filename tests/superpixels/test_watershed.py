import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label

from uhseg_jax.superpixels.watershed import (
    PARTITIONS,
    grid_superpixels,
    lattice,
    watershed_superpixels,
)

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
THIN = [(1, 1), (1, 50), (50, 1), (2, 90), (8, 3000)]


def surface(size, seed, levels):
    """A random surface of a few heights, so that there are plateaus and ties."""
    return np.random.default_rng(seed).integers(0, levels, size).astype(np.float32)


@given(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), st.integers(1, 2000))
@settings(max_examples=300, deadline=None)
def test_a_lattice_uses_at_least_half_of_the_cells_it_may(size, count):
    rows, columns = lattice(size, count)
    assert 1 <= rows <= size[0]
    assert 1 <= columns <= size[1]
    assert min(count, math.prod(size)) <= 2 * rows * columns
    assert rows * columns <= count
    if size[0] != size[1]:
        assert lattice(size[::-1], count) == (columns, rows)


def test_lattices_of_common_images():
    assert lattice((375, 500), 780) == (24, 32)
    assert lattice((321, 481), 780) == (23, 33)
    assert lattice((518, 518), 780) == (28, 27)  # 28 by 28 were too many
    assert lattice((1, 3000), 780) == (1, 780)


def check_partition(labels, size, count):
    assert labels.dtype == np.int32
    assert labels.shape == size
    number = math.prod(lattice(size, count))
    np.testing.assert_array_equal(np.unique(labels), np.arange(number))
    assert label(labels, connectivity=1, background=-1).max() == number


@pytest.mark.parametrize("kind", PARTITIONS)
@given(SIZES, st.integers(1, 200), st.integers(0, 99), st.sampled_from([1, 3, 10**6]))
@settings(max_examples=60, deadline=None)
def test_superpixels_are_a_partition_into_connected_pieces(
    kind, size, count, seed, levels
):
    gradient = surface(size, seed, levels)
    labels = PARTITIONS[kind](gradient, count)
    check_partition(labels, size, count)
    np.testing.assert_array_equal(PARTITIONS[kind](gradient.copy(), count), labels)


@pytest.mark.parametrize("kind", PARTITIONS)
@pytest.mark.parametrize("size", THIN)
def test_thin_images_are_divided_too(kind, size):
    check_partition(PARTITIONS[kind](surface(size, 0, 100), 780), size, 780)


@pytest.mark.parametrize("kind", PARTITIONS)
def test_every_pixel_is_a_superpixel_where_enough_may_be(kind):
    labels = PARTITIONS[kind](surface((5, 7), 0, 100), 1000)
    np.testing.assert_array_equal(labels, np.arange(35).reshape(5, 7))


@given(SIZES, st.integers(1, 60), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_basin_holds_the_least_pixel_near_the_centre_of_its_cell(
    size, count, seed
):
    gradient = surface(size, seed, 5)
    labels = watershed_superpixels(gradient, count)
    rows, columns = lattice(size, count)
    radius = math.sqrt(math.prod(size) / (rows * columns)) / 3
    for i in range(rows):
        for j in range(columns):
            y, x = (i + 0.5) * size[0] / rows, (j + 0.5) * size[1] / columns
            near = [
                (gradient[p, q], p, q)
                for p in range(size[0])
                for q in range(size[1])
                if (abs(p + 0.5 - y) <= radius or p == int(y))
                and (abs(q + 0.5 - x) <= radius or q == int(x))
            ]
            _, p, q = min(near)
            assert labels[p, q] == i * columns + j


def test_basins_meet_on_a_ridge():
    gradient = np.abs(np.random.default_rng(0).normal(size=(60, 60)))
    ridge = 20 + (np.arange(60) // 6) % 2  # not straight, and off the lattice
    gradient[np.arange(60), ridge] = 100
    gradient[np.arange(60), ridge + 1] = 100
    labels = watershed_superpixels(gradient, 25)
    left = np.arange(60)[None] < ridge[:, None]
    right = np.arange(60)[None] > ridge[:, None] + 1
    assert not set(labels[left]) & set(labels[right])


def test_the_cells_of_the_grid_are_equal_where_they_divide_the_image():
    labels = grid_superpixels(np.zeros((12, 16), np.float32), 12)
    np.testing.assert_array_equal(
        labels, np.arange(12).reshape(3, 4).repeat(4, axis=0).repeat(4, axis=1)
    )
