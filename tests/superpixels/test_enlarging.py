import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pooling import bilinear

from uhseg_jax.superpixels import enlarging
from uhseg_jax.superpixels.enlarging import enlarge_labels

SIDES = st.tuples(st.integers(1, 9), st.integers(1, 30))


@given(SIDES, SIDES, st.integers(1, 12), st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_every_pixel_takes_the_label_with_the_largest_interpolated_share(
    height, width, numbers, seed
):
    (h, more_rows), (w, more_columns) = height, width
    size = (h + more_rows, w + more_columns)
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, numbers, (h, w)).astype(np.int32)
    enlarged = enlarge_labels(labels, size)
    assert enlarged.dtype == np.int32
    rows, columns = bilinear(h, size[0]), bilinear(w, size[1])
    shares = np.einsum(
        "yr,xc,rcn->yxn", rows, columns, labels[..., None] == np.arange(numbers)
    )
    taken = np.take_along_axis(shares, enlarged[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(taken, shares.max(axis=-1), atol=1e-6)


def test_bands_do_not_show(monkeypatch):
    labels = np.random.default_rng(0).integers(0, 5, (9, 7)).astype(np.int32)
    whole = enlarge_labels(labels, (50, 40))
    monkeypatch.setattr(enlarging, "_BAND", 90)
    np.testing.assert_array_equal(enlarge_labels(labels, (50, 40)), whole)


def test_labels_of_the_size_that_is_wanted_stay_as_they_are():
    labels = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert enlarge_labels(labels, (3, 4)) is labels


@pytest.mark.parametrize(
    "shape",
    [
        lambda y, x: np.hypot(y, x) < 10,
        lambda y, x: y > x + 0.5,
        lambda y, x: y > 0.3 * x,
    ],
)
def test_borders_come_nearer_to_the_truth_than_those_of_nearest_pixels(shape):
    small, large = np.arange(32) - 15.5, (np.arange(320) - 159.5) / 10
    labels = shape(small[:, None], small).astype(np.int32)
    truth = shape(large[:, None], large)
    nearest = labels.repeat(10, axis=0).repeat(10, axis=1)
    ours = (enlarge_labels(labels, (320, 320)) != truth).mean()
    assert ours < 0.8 * (nearest != truth).mean()
