import re
import tracemalloc

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.images import demo_image
from uhseg_jax.refinement.pixel_grid import working_copy
from uhseg_jax.superpixels import SuperpixelConfig, superpixels_of
from uhseg_jax.superpixels.adjacency import find_borders
from uhseg_jax.superpixels.gradients import (
    gradient_magnitude,
    lab_planes,
    local_contrast,
)


def noise(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def grey(size):
    return np.repeat(noise(size)[..., :1], 3, axis=-1)


IMAGES = {
    "one pixel": noise((1, 1)),
    "one row": noise((1, 70)),
    "one column": noise((70, 1)),
    "thin": noise((8, 3000)),
    "constant": np.full((30, 40, 3), 77, np.uint8),
    "grey": grey((30, 40)),
    "fewer pixels than superpixels": noise((5, 6)),
}


@pytest.fixture(scope="module")
def photograph():
    return np.ascontiguousarray(demo_image()[1][::4, ::3])  # 128 x 171


def check(found, image, grid, config):
    """What is true of the superpixels of every image."""
    graph, count = found.graph, config.count
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype.name), vars(graph))
    assert shapes == {
        "areas": ((count,), "float32"),
        "colors": ((count, 3), "float32"),
        "weights": ((count, grid[0] * grid[1]), "float32"),
        "edges": ((3 * count, 2), "int32"),
        "lengths": ((3 * count,), "float32"),
        "evidence": ((3 * count,), "float32"),
        "patches": (grid, "int32"),
    }
    assert found.labels.shape == image.shape[:2]
    assert found.labels.dtype == np.int32
    number = int((graph.areas > 0).sum())
    assert 0 <= found.labels.min() <= found.labels.max() < number <= count
    assert graph.areas.sum() == pytest.approx(1, abs=1e-5)
    assert not graph.areas[number:].any()
    np.testing.assert_allclose(graph.weights.sum(axis=1)[:number], 1, atol=1e-5)
    assert not graph.weights[number:].any()
    assert not graph.colors[number:].any()
    assert graph.patches.max() < number

    borders = int((graph.lengths > 0).sum())
    assert borders <= max(3 * number - 6, number - 1)
    assert graph.edges[:borders].max(initial=0) < number
    assert (graph.edges[:borders, 0] < graph.edges[:borders, 1]).all()
    for array in (graph.edges, graph.lengths, graph.evidence):
        assert not array[borders:].any()
        assert np.isfinite(array).all()
    assert (graph.evidence >= 0).all()


@pytest.mark.parametrize("kind", ["watershed", "grid"])
@pytest.mark.parametrize("name", IMAGES)
def test_every_image_has_superpixels(name, kind):
    config = SuperpixelConfig(kind=kind, count=50)
    check(superpixels_of(IMAGES[name], (4, 5), config), IMAGES[name], (4, 5), config)


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(1, 90),
    st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_images_grids_and_counts_of_any_size_go_together(size, grid, count, seed):
    config, image = SuperpixelConfig(count=count), noise(size, seed)
    check(superpixels_of(image, grid, config), image, grid, config)


def test_the_graph_measures_its_labels(photograph):
    found = superpixels_of(photograph, (6, 8), SuperpixelConfig(count=90))
    labels, graph = found.labels, found.graph
    planes = lab_planes(photograph)
    contrast = local_contrast(gradient_magnitude(planes, 1.0))
    borders = find_borders(labels, (contrast,))
    edges = len(borders.edges)
    np.testing.assert_array_equal(graph.edges[:edges], borders.edges)
    np.testing.assert_array_equal(graph.lengths[:edges], borders.lengths)
    np.testing.assert_allclose(graph.evidence[:edges], borders.means[0])
    areas = np.bincount(labels.ravel(), minlength=90) / labels.size
    np.testing.assert_allclose(graph.areas, areas, rtol=1e-6)
    np.testing.assert_allclose(
        graph.areas @ graph.colors, planes.mean(axis=(1, 2)) / 100, atol=1e-5
    )
    rows, columns = (np.arange(6) * 128 + 64) // 6, (np.arange(8) * 171 + 85) // 8
    np.testing.assert_array_equal(graph.patches, labels[rows[:, None], columns])


def test_the_same_arguments_give_the_same_superpixels(photograph):
    config = SuperpixelConfig(count=90)
    one = superpixels_of(photograph, (6, 8), config)
    other = superpixels_of(photograph.copy(), (6, 8), config)
    np.testing.assert_array_equal(one.labels, other.labels)
    jax.tree.map(np.testing.assert_array_equal, one.graph, other.graph)


def test_watersheds_keep_to_the_colours_of_an_image_better_than_a_grid(photograph):
    def spread(kind):
        found = superpixels_of(
            photograph, (1, 1), SuperpixelConfig(kind=kind, count=200)
        )
        means = np.moveaxis(found.graph.colors[found.labels] * 100, -1, 0)
        return np.square(lab_planes(photograph) - means).mean()

    assert spread("watershed") < 0.8 * spread("grid")


def test_several_scales_of_contrast_are_averaged(photograph):
    one, other, both = (
        superpixels_of(
            photograph, (6, 8), SuperpixelConfig(count=90, contrast_scales=scales)
        ).graph
        for scales in ((1.0,), (2.0,), (1.0, 2.0))
    )
    np.testing.assert_array_equal(one.edges, both.edges)
    # The larger of two pixels need not be the same at both scales.
    mean = (one.evidence + other.evidence) / 2
    assert (both.evidence <= mean + 1e-5).all()
    assert np.corrcoef(both.evidence, mean)[0, 1] > 0.99


def test_large_images_are_divided_in_a_smaller_copy(photograph):
    config = SuperpixelConfig(count=60, max_megapixels=0.01)
    found = superpixels_of(photograph, (6, 8), config)
    check(found, photograph, (6, 8), config)
    small = working_copy(photograph, 0.01)
    assert small.shape < photograph.shape
    on_copy = superpixels_of(small, (6, 8), config)
    jax.tree.map(np.testing.assert_array_equal, found.graph, on_copy.graph)
    areas = np.bincount(found.labels.ravel(), minlength=60) / found.labels.size
    assert np.abs(areas - on_copy.graph.areas).max() < 0.003


def test_large_images_need_little_more_memory_than_their_labels():
    image = np.tile(noise((20, 30)), (75, 75, 1))  # 3.4 megapixels
    tracemalloc.start()
    try:
        found = superpixels_of(image, (6, 8), SuperpixelConfig(max_megapixels=0.05))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < found.labels.nbytes + 25e6


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("kind", "slic", "'watershed' or 'grid'"),
        ("count", 0, "an integer of at least 1"),
        ("gradient_scale", 0.0, "a number of pixels from 0.3 to 20"),
        ("contrast_scales", (), "one or more numbers of pixels from 0.3 to 20"),
        ("contrast_scales", (1.0, 50.0), "one or more numbers"),
        ("max_megapixels", 0.0, "a number of at least 0.01"),
    ],
)
def test_a_wrong_field_is_named(field, value, expected):
    with pytest.raises(ValueError, match=rf"{field} must be {re.escape(expected)}"):
        SuperpixelConfig(**{field: value})
