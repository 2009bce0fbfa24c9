"""Two-way cuts against all thresholds of the float64 eigenvector."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from graphs import block_graph, random_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.hierarchy import two_way

SIZE = 24  # of the padded regions below: one compilation for every bound


@functools.partial(
    jax.jit, static_argnames=("num_thresholds", "min_size", "largest_dense")
)
def divided(weights, mask, max_ncut, *, num_thresholds, min_size, largest_dense):
    del largest_dense  # another program for another limit
    return two_way.by_two_way_ncut(
        jax.random.key(0),
        weights,
        mask,
        max_ncut=max_ncut,
        num_thresholds=num_thresholds,
        min_size=min_size,
    )


def divide(weights, *, max_ncut=2.0, num_thresholds=None, min_size=1):
    """Divides a graph of up to SIZE vertices; the padding must not count."""
    n = len(weights)
    padded = np.full((SIZE, SIZE), 9, np.float32)
    padded[:n, :n] = weights
    output = divided(
        jnp.asarray(padded),
        jnp.arange(SIZE) < n,
        max_ncut,
        num_thresholds=num_thresholds,
        min_size=min_size,
        largest_dense=two_way._LARGEST_DENSE,
    )
    assert not np.asarray(output.labels)[n:].any()
    return output, np.asarray(output.labels)[:n]


@pytest.fixture(params=["whole", "Lanczos"])
def solver(request, monkeypatch):
    """Both ways to the second eigenvector, the other one for tiny regions, too."""
    if request.param == "Lanczos":
        monkeypatch.setattr(two_way, "_LARGEST_DENSE", 4)
    return request.param


def side_costs(weights, labels):
    exact = np.asarray(weights, np.float64)
    cut = exact[np.ix_(labels == 1, labels == 0)].sum()
    volumes = [exact[labels == group].sum() for group in (0, 1)]
    return [cut / volume if volume else 0.0 for volume in volumes]


def mean_cost(weights, labels):
    return sum(side_costs(weights, labels)) / 2


def second_vector(weights):
    """D^-1/2 y_1, the second solution of (D - W) x = l D x, in float64."""
    exact = np.asarray(weights, np.float64)
    degrees = np.diag(exact.sum(1))
    return scipy.linalg.eigh(degrees - exact, degrees)[1][:, 1]


def best_of(weights, vector, thresholds, min_size=1):
    """The least mean NCut over thresholds that leave both sides large enough."""
    rivals = [(vector > t).astype(int) for t in thresholds]
    rivals = [x for x in rivals if min_size <= x.sum() <= len(vector) - min_size]
    return min((mean_cost(weights, x) for x in rivals), default=None)


def uneven_graph(sizes, across, seed, *, loops=0.0):
    """Groups of vertices, no two pairs alike, each with a loop."""
    n = sum(sizes)
    weights = block_graph(sizes, across=across) * (1 + random_graph(seed, n=n))
    return (weights + loops * np.eye(n)).astype(np.float32)


GRAPHS = {
    "two groups": uneven_graph([13, 11], 0.03, 0),
    "three groups": uneven_graph([12, 7, 5], 0.03, 1),
    "loops": uneven_graph([14, 8], 0.05, 2, loops=3.0),
    "small": uneven_graph([4, 3], 0.02, 3),
    "two vertices": uneven_graph([2], 0.0, 4),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_cut_is_the_best_of_all_thresholds(solver, name):
    weights = GRAPHS[name]
    vector = second_vector(weights)
    output, labels = divide(weights)
    assert int(output.num_children) == 2
    assert mean_cost(weights, labels) < best_of(weights, vector, vector) + 1e-6
    np.testing.assert_allclose(output.costs, side_costs(weights, labels), atol=1e-6)
    assert float(output.residual) < 1e-4


@pytest.mark.parametrize("num_thresholds", [7, 100])
@pytest.mark.parametrize("name", ["three groups", "loops", "small"])
def test_evenly_spaced_thresholds_are_those_of_diffcut(solver, name, num_thresholds):
    weights = GRAPHS[name]
    vector = second_vector(weights)
    thresholds = np.linspace(0.99 * vector.min(), 0.99 * vector.max(), num_thresholds)
    output, labels = divide(weights, num_thresholds=num_thresholds)
    assert int(output.num_children) == 2
    # Vertices closer to a threshold than float accuracy would not be told apart.
    assert np.abs(vector[:, None] - thresholds[None, :]).min() > 1e-6
    expected = best_of(weights, vector, thresholds)
    assert mean_cost(weights, labels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("num_thresholds", [None, 7])
def test_separate_groups_are_not_cut_through(solver, num_thresholds):
    # Vertices of a group have the same entry but for rounding, the outer groups the
    # least and the greatest; thresholds between these lie between the groups.
    for across in (0.02, 0.0):
        weights = block_graph([10, 8, 6], across=across)
        output, labels = divide(weights, num_thresholds=num_thresholds)
        assert int(output.num_children) == 2
        for group in np.split(labels, [10, 18]):
            assert len(np.unique(group)) == 1


def test_both_solvers_give_the_same_split(monkeypatch):
    for weights in GRAPHS.values():
        _, whole = divide(weights)
        with monkeypatch.context() as patch:
            patch.setattr(two_way, "_LARGEST_DENSE", 4)
            _, by_lanczos = divide(weights)
        # Which side is which is open where the vector is as large on both.
        np.testing.assert_array_equal(whole ^ whole[0], by_lanczos ^ by_lanczos[0])


def test_a_tight_group_stays_whole(solver):
    # Halves of a complete graph of twenty have a mean NCut of 10 / 19.
    weights = np.ones((20, 20), np.float32) - np.eye(20, dtype=np.float32)
    output, labels = divide(weights, max_ncut=0.5)
    assert int(output.num_children) == 0
    assert not labels.any()


def test_one_vertex_stays_whole(solver):
    output, labels = divide(np.ones((1, 1), np.float32))
    assert int(output.num_children) == 0
    assert not labels.any()


def test_a_vertex_without_edges_stands_alone():
    # Beside a group so tight that nothing within it costs less.
    weights = np.pad(block_graph([5]), ((0, 1), (0, 1)))
    output, labels = divide(weights)
    assert int(output.num_children) == 2
    assert len(np.unique(labels[:5])) == 1
    np.testing.assert_array_equal(output.costs, 0)


def test_the_bound_is_on_the_mean_of_both_sides(solver):
    weights = random_graph(2, n=SIZE)
    output, _ = divide(weights)
    cost = float(np.mean(output.costs))
    for bound, children in ((cost * 1.001, 2), (cost * 0.999, 0)):
        output, _ = divide(weights, max_ncut=bound)
        assert int(output.num_children) == children


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3, 9]), st.integers(6, SIZE))
def test_neither_side_is_smaller_than_allowed(seed, min_size, n):
    weights = random_graph(seed, n=n) ** 4
    output, labels = divide(weights, min_size=min_size)
    if n < 2 * min_size:
        assert int(output.num_children) == 0
        return
    # Without a bound, and with entries that differ, there is always a cut.
    assert int(output.num_children) == 2
    assert min_size <= labels.sum() <= n - min_size
    vector = second_vector(weights)
    expected = best_of(weights, vector, vector, min_size)
    assert mean_cost(weights, labels) == pytest.approx(expected, abs=1e-3)


def test_stragglers_are_not_cut_off_where_that_is_too_few():
    # A pair that hangs by a thread, and two groups that cling a little.
    weights = uneven_graph([2, 8, 7], 0.0, 6)
    weights[2:, 2:] += uneven_graph([8, 7], 0.2, 7)
    weights[0, 2] = weights[2, 0] = 0.01
    _, labels = divide(weights)
    assert min(labels.sum(), (1 - labels).sum()) == 2
    _, labels = divide(weights, min_size=3)
    assert min(labels.sum(), (1 - labels).sum()) >= 3
    output, labels = divide(weights, min_size=9)
    assert int(output.num_children) == 0
    assert not labels.any()


@pytest.mark.parametrize("min_size", [1, 3])
def test_thresholds_leave_enough_on_either_side_of_any_vector(min_size):
    rng = np.random.default_rng(0)
    vector = rng.normal(size=40).astype(np.float32)
    vector[[3, 20]] = 1e3, -1e5  # far from all others
    mask = rng.random(40) < 0.7
    mask[[3, 20]] = True
    found = two_way._evenly_spaced(jnp.asarray(vector), jnp.asarray(mask), 9, min_size)
    above = (vector[mask][None, :] > np.asarray(found)[:, None]).sum(axis=1)
    assert above.min() >= min_size
    assert above.max() <= mask.sum() - min_size
    if min_size > 1:
        assert len(np.unique(above)) > 4
