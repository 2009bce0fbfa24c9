import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.superpixels.pooling import mean_colors, patch_weights

SIDES = st.integers(1, 13)


def bilinear(cells, pixels):
    """Interpolation along one axis as a matrix, by numpy's own."""
    centres = (np.arange(pixels) + 0.5) * cells / pixels
    at = np.arange(cells) + 0.5
    return np.stack([np.interp(centres, at, row) for row in np.eye(cells)], axis=1)


@given(
    st.tuples(SIDES, SIDES),
    st.tuples(SIDES, SIDES),
    st.integers(1, 9),
    st.integers(0, 10**6),
)
@settings(max_examples=100, deadline=None)
def test_pooling_is_the_mean_of_interpolated_features(size, grid, numbers, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, numbers, size).astype(np.int32)
    features = rng.normal(size=(*grid, 3))
    weights = patch_weights(labels, grid, 10)
    assert weights.dtype == np.float32
    assert weights.shape == (10, grid[0] * grid[1])
    rows, columns = (bilinear(*x) for x in zip(grid, size, strict=True))
    pixels = np.einsum("yr,xc,rcd->yxd", rows, columns, features)
    for number in range(10):
        if (labels == number).any():
            np.testing.assert_allclose(
                weights[number] @ features.reshape(-1, 3),
                pixels[labels == number].mean(axis=0),
                atol=1e-5,
            )
            assert weights[number].sum() == pytest.approx(1, abs=1e-6)
            assert weights[number].min() >= 0
        else:
            assert not weights[number].any()


def test_colors_are_means_over_the_pixels_of_a_label():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (6, 8)).astype(np.int32)
    planes = rng.normal(size=(3, 6, 8)).astype(np.float32)
    ours = mean_colors(labels, planes, 7)
    wanted = [planes[:, labels == number].mean(axis=1) for number in range(5)]
    np.testing.assert_allclose(ours[:5], wanted, atol=1e-6)
    assert not ours[5:].any()
