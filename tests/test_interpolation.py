import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.interpolation import (
    KERNELS,
    bilinear_cells,
    make_taps,
    read_taps,
    with_margin,
)

SIZES = [(5, 5), (5, 13), (7, 3), (1, 6), (6, 1), (37, 60)]


def matrix(source, target, kernel):
    """The taps as a dense matrix, taps outside moved to the border cell."""
    taps = make_taps(source, target, kernel=kernel)
    dense = np.zeros((target, source))
    for tap in range(4):
        cells = np.clip(taps.first + tap, 0, source - 1)
        np.add.at(dense, (np.arange(target), cells), taps.weights[:, tap])
    return dense


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("source", "target"), SIZES)
def test_weights_sum_to_one_and_taps_stay_in_the_margin(source, target, kernel):
    taps = make_taps(source, target, kernel=kernel)
    np.testing.assert_allclose(taps.weights.sum(axis=1), 1, atol=1e-12)
    assert taps.first.min() >= -2
    assert taps.first.max() + 3 <= source + 1


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
def test_the_same_size_is_the_identity(kernel):
    np.testing.assert_allclose(matrix(6, 6, kernel), np.eye(6), atol=1e-12)


def test_bilinear_taps_reproduce_linear_ramps_inside():
    ramp = matrix(20, 50, "bilinear") @ np.arange(20)
    centres = (np.arange(50) + 0.5) * 20 / 50 - 0.5
    inside = (centres >= 1) & (centres <= 18)
    np.testing.assert_allclose(ramp[inside], centres[inside], atol=1e-12)


@pytest.mark.parametrize(("source", "target"), SIZES)
def test_bilinear_cells_are_the_bilinear_taps(source, target):
    dense = np.zeros((target, source))
    for cells, weights in bilinear_cells(source, target):
        np.add.at(dense, (np.arange(target), cells), weights)
    np.testing.assert_allclose(dense, matrix(source, target, "bilinear"), atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_reading_a_grid_is_two_matrix_products(kernel):
    grid = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)
    rows, columns = (
        jax.tree.map(
            lambda x: x.astype(np.int32 if x.dtype == np.int64 else np.float32),
            make_taps(source, target, kernel=kernel),
        )
        for source, target in ((5, 11), (7, 4))
    )
    ours = read_taps(with_margin(jnp.asarray(grid)), rows, columns)
    theirs = np.einsum(
        "yr,xc,rck->yxk",
        matrix(5, 11, kernel),
        matrix(7, 4, kernel),
        grid.astype(np.float64),
    )
    # Eight products of numbers of order one, in float32.
    np.testing.assert_allclose(ours, theirs, atol=30 * np.finfo(np.float32).eps)


@pytest.mark.parity
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("source", "target"), SIZES)
def test_torch_interpolates_alike(source, target, kernel):
    torch = pytest.importorskip("torch")
    unit = torch.eye(source, dtype=torch.float64)[:, None, :, None].expand(-1, 1, -1, 4)
    found = torch.nn.functional.interpolate(
        unit, size=(target, 4), mode=kernel, align_corners=False
    )
    np.testing.assert_allclose(
        matrix(source, target, kernel), found[:, 0, :, 0].T.numpy(), atol=1e-12
    )


def test_nonsense_is_explained():
    with pytest.raises(ValueError, match="at least one cell"):
        make_taps(0, 3, kernel="bicubic")
    with pytest.raises(ValueError, match="nearest, bilinear, bicubic"):
        make_taps(3, 3, kernel="lanczos")
