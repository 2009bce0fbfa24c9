"""The lattice against a loop that follows the paper, in float64 where it can be."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.refinement.dense_crf import permutohedral, vertices

HIGH = (4.0, 3.0, 5.0)
N = 40

_build = permutohedral.build_lattice
_filter = permutohedral.filter_values


def _points(seed, spread=1.0):
    rng = np.random.default_rng(seed)
    return (rng.random((N, 3)) * np.array(HIGH) * spread).astype(np.float32)


def _lattice(points, mask=None):
    mask = np.ones(len(points), bool) if mask is None else mask
    return _build(jnp.asarray(points), (0.0,) * 3, HIGH, mask=jnp.asarray(mask))


@functools.cache
def _operator(seed, spread=1.0):
    """The filter as a matrix: what it makes of the identity."""
    lattice = _lattice(_points(seed, spread))
    return np.asarray(_filter(lattice, jnp.eye(N)), np.float64)


def _dictionary_filter(points, values):
    """Splat, blur and slice with a dictionary of vertices, in float64.

    A point's simplex is found by sorting what is left of its coordinates.
    """
    n, d = points.shape
    i = np.arange(1, d + 1)
    # Columns: orthogonal directions of the plane of coordinates that sum to zero.
    basis = np.zeros((d + 1, d))
    for j in range(1, d + 1):
        basis[:j, j - 1] = 1
        basis[j, j - 1] = -j
    elevated = (
        points.astype(np.float64) * np.sqrt(2 / 3) * (d + 1) / np.sqrt(i * (i + 1))
    ) @ basis.T
    table, corners = {}, []
    for p in range(n):
        origin = np.round(elevated[p] / (d + 1)) * (d + 1)
        excess = int(origin.sum()) // (d + 1)
        order = np.argsort(-(elevated[p] - origin), kind="stable")
        if excess > 0:
            origin[order[len(order) - excess :]] -= d + 1
        elif excess < 0:
            origin[order[:-excess]] += d + 1
        rest = elevated[p] - origin
        order = np.argsort(-rest, kind="stable")
        rest = rest[order] / (d + 1)
        own = []
        for r in range(d + 1):
            key = origin + r
            key[order[d + 1 - r :]] -= d + 1
            weight = rest[d - r] - (rest[d + 1 - r] if r else rest[0] - 1)
            own.append((tuple(key.astype(int)), weight))
            table[own[-1][0]] = table.get(own[-1][0], 0) + weight * values[p]
        corners.append(own)
    for direction in range(d + 1):
        step = np.ones(d + 1, int)
        step[direction] = -d
        table = {
            key: value
            + sum(0.5 * table.get(tuple(np.add(key, s * step)), 0) for s in (1, -1))
            for key, value in table.items()
        }
    alpha = 1 / (1 + 2.0**-d)
    sliced = np.array([sum(w * table[key] for key, w in own) for own in corners])
    return alpha * sliced, len(table)


@pytest.mark.parametrize("spread", [1.0, 0.1])
def test_filter_is_that_of_a_dictionary_of_vertices(spread):
    points = _points(0, spread)
    expected, num_vertices = _dictionary_filter(points, np.eye(N))
    lattice = _lattice(points)
    assert int(lattice.num_vertices) == num_vertices
    # Coordinates of up to 20 in float32 give weights to 20 eps each, of up to N points.
    np.testing.assert_allclose(_operator(0, spread), expected, atol=2e-5)
    weights = np.asarray(lattice.barycentric)
    assert weights.min() > -1e-5
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)


def test_kernel_is_nearly_gaussian():
    # Interpolation and truncation leave some percent of the peak: pydensecrf's error is
    # the same one, for the lattice is the same.
    points = _points(2, 0.5).astype(np.float64)
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    exact = np.exp(-squared / 2)
    kernel = _operator(2, 0.5)
    scale = (kernel * exact).sum() / (exact * exact).sum()
    error = np.abs(kernel / scale - exact)
    assert error.mean() < 0.06
    assert error.max() < 0.35


def test_kernel_is_positive_and_nearly_symmetric():
    kernel = _operator(3)
    assert kernel.min() > -1e-6
    assert kernel.diagonal().min() > 0.1
    # Blurs along two directions commute but where a vertex between them is missing.
    asymmetry = np.abs(kernel - kernel.T).sum() / np.abs(kernel).sum()
    assert 0 < asymmetry < 0.15


def test_filter_is_linear_and_blind_to_the_order_of_columns():
    lattice = _lattice(_points(4))
    values = np.random.default_rng(0).normal(size=(N, N)).astype(np.float32)
    filtered = np.asarray(_filter(lattice, jnp.asarray(values)))
    np.testing.assert_allclose(filtered, _operator(4) @ values, atol=1e-4)
    flipped = _filter(lattice, jnp.asarray(values[:, ::-1]))
    np.testing.assert_array_equal(np.asarray(flipped)[:, ::-1], filtered)


def test_points_masked_out_have_no_influence():
    points, other = _points(5), _points(6)
    mask = np.arange(N) % 3 != 0
    values = np.random.default_rng(1).random((N, N)).astype(np.float32)
    ones = []
    for points_out in (points, other):
        mixed = np.where(mask[:, None], points, points_out)
        given = np.where(mask[:, None], values, np.float32(points_out[0, 0]))
        ones.append(np.asarray(_filter(_lattice(mixed, mask), jnp.asarray(given))))
    np.testing.assert_array_equal(*ones)
    assert (ones[0][~mask] == 0).all()
    expected, _ = _dictionary_filter(points[mask], values[mask])
    np.testing.assert_allclose(ones[0][mask], expected, atol=5e-5)


def test_all_points_in_one_place_share_one_simplex():
    # One vertex then has more members than a few rows of the splat hold.
    lattice = _lattice(np.full((N, 3), 1.3, np.float32))
    assert int(lattice.num_vertices) == 4
    values = np.random.default_rng(2).random((N, N)).astype(np.float32)
    filtered = np.asarray(_filter(lattice, jnp.asarray(values)))
    expected, _ = _dictionary_filter(np.full((N, 3), np.float32(1.3)), values)
    np.testing.assert_allclose(filtered, expected, rtol=1e-5)


def test_tables_hold_points_that_share_no_vertex():
    # All the vertices there can be.
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(5)), -1).reshape(-1, 2) * 10.0
    values = np.random.default_rng(3).random((30, 3)).astype(np.float32)
    lattice = _build(grid.astype(np.float32), (0.0, 0.0), (50.0, 40.0))
    assert int(lattice.num_vertices) == 3 * 30
    filtered = _filter(lattice, jnp.asarray(values))
    expected, _ = _dictionary_filter(grid, values)
    np.testing.assert_allclose(filtered, expected, atol=1e-4)


def test_no_points_are_filtered_to_nothing():
    lattice = _lattice(_points(7), np.zeros(N, bool))
    assert int(lattice.num_vertices) == 0
    np.testing.assert_array_equal(_filter(lattice, jnp.ones((N, N))), 0)


@pytest.mark.parametrize("widths", [(7.5, 5.6, 85.0, 85.0, 85.0), (500.0, 375.0)])
def test_keys_of_vertices_are_exact(widths):
    d = len(widths)
    box = vertices.VertexKeys.around([0.0] * d, widths)
    rng = np.random.default_rng(4)
    points = rng.random((2000, d)) * widths
    points[: 2**d] = np.array(np.meshgrid(*[(0, w) for w in widths])).reshape(d, -1).T

    @jax.jit
    def there_and_back(points):
        keys, _ = vertices.corners_of(box, points)
        coordinates = box.unpack(keys)
        return keys, coordinates, box.pack(coordinates)

    keys, coordinates, again = there_and_back(points.astype(np.float32))
    assert (np.asarray(keys) != vertices.NO_KEY).all()
    np.testing.assert_array_equal(again, keys)
    rows = np.stack([np.asarray(x) for x in coordinates]).reshape(d + 1, -1)
    assert (rows.sum(axis=0) == 0).all()
    assert (rows % (d + 1) == rows[0] % (d + 1)).all()
    assert len(np.unique(rows, axis=1).T) == len(np.unique(keys))


def test_more_vertices_than_keys_are_refused():
    with pytest.raises(ValueError, match=r"fewer than 2\^32 .* raise the standard"):
        vertices.VertexKeys.around([0.0] * 5, [10.0, 10.0, 1000.0, 1000.0, 1000.0])
