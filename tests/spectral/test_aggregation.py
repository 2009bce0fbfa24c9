"""Aggregated attention against DiffSeg's recipe, written out in float64 loops."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.spectral import aggregation

SQUARE = ((8, 8), (4, 4), (2, 2), (1, 1))
OBLONG = ((6, 4), (3, 4), (6, 2), (2, 1))


def attention_maps(grids, seed=0):
    """Random maps by grid, their rows summing to one."""
    rng = np.random.default_rng(seed)
    maps = {}
    for h, w in grids:
        rows = np.exp(2 * rng.normal(size=(h * w, h * w)))
        maps[h, w] = (rows / rows.sum(1, keepdims=True)).astype(np.float32)
    return maps


def line_weights(size, finer):
    """Linear interpolation between the middles of cells, ends held: [finer, size]."""
    weights = np.zeros((finer, size))
    for i in range(finer):
        place = min(max((i + 0.5) * size / finer - 0.5, 0), size - 1)
        below = min(int(place), size - 1)
        weights[i, below] += 1 - (place - below)
        weights[i, min(below + 1, size - 1)] += place - below
    return weights


def reference(maps, weights):
    """DiffSeg, section 3.2: where a cell looks is interpolated, who looks repeated."""
    fine_h, fine_w = max(maps, key=lambda grid: grid[0] * grid[1])
    n = fine_h * fine_w
    result = np.zeros((n, n))
    for (h, w), attention in maps.items():
        down, across = line_weights(h, fine_h), line_weights(w, fine_w)
        seen = attention.astype(np.float64).reshape(h, w, h, w)
        seen = np.einsum("abij,yi,xj->abyx", seen, down, across)
        seen /= seen.sum((2, 3), keepdims=True)
        seen = np.repeat(np.repeat(seen, fine_h // h, axis=0), fine_w // w, axis=1)
        result += weights[h, w] * seen.reshape(n, n)
    return result / result.sum(1, keepdims=True)


@functools.partial(jax.jit, static_argnames=("grids", "weights"))
def aggregated(maps, *, grids, weights):
    maps = dict(zip(grids, maps, strict=True))
    return aggregation.aggregate(maps, weights=weights and dict(weights))


def ours(maps, *, weights=None):
    arrays = [jnp.asarray(x) for x in maps.values()]
    weights = weights and tuple(weights.items())
    return np.asarray(aggregated(arrays, grids=tuple(maps), weights=weights))


def test_square_grids_have_the_published_weights():
    # 64, 32, 16 and 8 to an eighth of their size, which keeps their proportions.
    published = dict(zip(SQUARE, (0.533, 0.267, 0.133, 0.067), strict=True))
    maps = attention_maps(SQUARE)
    # Three digits of 0.067 are good to half a percent.
    np.testing.assert_allclose(ours(maps), reference(maps, published), rtol=6e-3)
    exact = dict(zip(SQUARE, (8 / 15, 4 / 15, 2 / 15, 1 / 15), strict=True))
    np.testing.assert_allclose(ours(maps), reference(maps, exact), rtol=2e-6)


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        (None, (6, 3, 6, 2)),
        ((1.0, 1.0, 1.0, 1.0), (1, 1, 1, 1)),
        ((0.0, 30.0, 0.0, 10.0), (0, 3, 0, 1)),
    ],
)
def test_grids_that_are_not_square(weights, shares):
    maps = attention_maps(OBLONG, seed=1)
    if weights is not None:
        weights = dict(zip(OBLONG, weights, strict=True))
    shares = dict(zip(OBLONG, shares, strict=True))
    found = ours(maps, weights=weights)
    np.testing.assert_allclose(found, reference(maps, shares), rtol=2e-6)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)


def test_one_grid_is_its_own_walk():
    maps = attention_maps([(3, 4)])
    np.testing.assert_allclose(ours(maps), maps[3, 4], rtol=1e-6)


def test_rows_of_any_sum_count_alike():
    maps = attention_maps(OBLONG, seed=2)
    rng = np.random.default_rng(3)
    scaled = {
        grid: x * rng.uniform(0.1, 9, (len(x), 1)).astype(np.float32)
        for grid, x in maps.items()
    }
    np.testing.assert_allclose(ours(scaled), ours(maps), rtol=2e-6)


def test_order_of_the_maps_does_not_matter():
    maps = attention_maps(OBLONG, seed=4)
    reversed_maps = dict(reversed(maps.items()))
    np.testing.assert_array_equal(ours(reversed_maps), ours(maps))


def test_jit_changes_nothing():
    maps = {
        grid: jnp.asarray(x) for grid, x in attention_maps([(4, 2), (2, 2)]).items()
    }
    np.testing.assert_allclose(ours(maps), aggregation.aggregate(maps), rtol=1e-6)


@pytest.mark.parity
def test_interpolation_is_that_of_torch():
    torch = pytest.importorskip("torch")
    maps = attention_maps([(4, 6), (2, 3)], seed=5)
    found = ours(maps, weights={(4, 6): 0.0, (2, 3): 1.0})
    seen = torch.nn.functional.interpolate(
        torch.from_numpy(maps[2, 3]).reshape(2 * 3, 1, 2, 3),
        size=(4, 6),
        mode="bilinear",
        align_corners=False,
    )
    seen = (seen / seen.sum(dim=(2, 3), keepdim=True)).reshape(2, 3, 24)
    seen = seen.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
    np.testing.assert_allclose(found, seen.reshape(24, 24).numpy(), rtol=2e-6)


@pytest.mark.parametrize(
    ("maps", "weights", "message"),
    [
        ({}, None, "one grid or more, but got none"),
        ({(2, 2): (4, 5)}, None, r"4 x 4 .* 2 x 2, but got \(4, 5\)"),
        ({(4, 4): (16, 16), (3, 2): (6, 6)}, None, "divide .* 4 x 4, but got 3 x 2"),
        ({(4, 2): (8, 8), (2, 4): (8, 8)}, None, "divide the finest"),
        ({(2, 2): (4, 4), (1, 1): (1, 1)}, {(2, 2): 1.0}, "1 x 1, but got None"),
        ({(2, 2): (4, 4)}, {(2, 2): -1.0}, "2 x 2, but got -1.0"),
        ({(2, 2): (4, 4)}, {(2, 2): float("nan")}, "2 x 2, but got nan"),
        ({(2, 2): (4, 4)}, {(2, 2): float("inf")}, "2 x 2, but got inf"),
        ({(2, 2): (4, 4)}, {(2, 2): 0.0}, "all are 0"),
    ],
)
def test_maps_and_weights_that_do_not_fit_are_refused(maps, weights, message):
    maps = {grid: jnp.ones(shape, jnp.float32) for grid, shape in maps.items()}
    with pytest.raises(ValueError, match=message):
        aggregation.aggregate(maps, weights=weights)
