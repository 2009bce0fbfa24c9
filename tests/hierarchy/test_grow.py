import functools
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import block_graph, random_graph
from sklearn.metrics import adjusted_rand_score

from uhseg_jax.hierarchy import grow, split
from uhseg_jax.spectral import eigen, ncut

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("condensed_graph_*.npz"))


@functools.partial(jax.jit, static_argnames=("rule", "max_depth"))
def grown(weights, *, rule=split.by_eigengap_and_ncut, max_depth=9):
    members = jnp.ones(weights.shape[0], bool)
    return grow.grow(
        jax.random.key(0), weights, members, rule, max_depth=max_depth, max_children=9
    )


@pytest.fixture(scope="module")
def golden():
    assert len(GOLDEN) == 11
    files = [dict(np.load(path)) for path in GOLDEN]
    return [
        (file, jax.device_get(grown(jnp.asarray(file["weights"])))) for file in files
    ]


def test_golden_eigenvalues(golden):
    for file, _ in golden:
        spectrum = eigen.subgraph_spectrum(
            jnp.asarray(file["weights"]), jnp.ones(200, bool), 10
        )
        np.testing.assert_allclose(1 - spectrum.values, file["eigenvalues"], atol=1e-5)


def test_golden_root_splits_exactly(golden):
    for file, tree in golden:
        assert (tree.parents == 0).sum() == file["root_children"]
        ours = first_split(tree.leaves, tree.parents)
        theirs = first_split(file["leaf_of_superpixel"], file["parents"])
        assert adjusted_rand_score(ours, theirs) == 1.0


def first_split(leaves, parents):
    """The child of the root that every vertex lies in."""
    nodes = np.array(leaves)
    while (deeper := parents[nodes] > 0).any():
        nodes[deeper] = parents[nodes[deeper]]
    return nodes


def test_golden_leaves(golden):
    scores = [
        adjusted_rand_score(tree.leaves, file["leaf_of_superpixel"])
        for file, tree in golden
    ]
    assert np.mean(scores) >= 0.98
    ours = sum(len(np.unique(tree.leaves)) for _, tree in golden)
    theirs = sum(len(np.unique(file["leaf_of_superpixel"])) for file, _ in golden)
    assert abs(ours - theirs) <= 0.1 * theirs


def test_golden_costs_of_the_root_split(golden):
    for file, tree in golden:
        ours = np.sort(tree.costs[tree.parents == 0])
        theirs = np.sort(file["costs"][file["parents"] == 0])
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_residuals_are_reported_for_the_nodes_that_were_solved(golden):
    for _, tree in golden:
        sizes = np.zeros(len(tree.parents), int)
        for leaf in tree.leaves:
            while leaf >= 0:
                sizes[leaf] += 1
                leaf = tree.parents[leaf]
        solved = (sizes >= 2) & (tree.depths < 9)
        assert (tree.residuals[solved & (sizes > 9)] > 0).all()
        assert (tree.residuals[~solved] == 0).all()
        assert tree.residuals.max() < 1e-5


RULES = {
    "ncut": split.by_eigengap_and_ncut,
    "paper": split.by_stable_eigengap,
    "two_way": functools.partial(split.by_two_way_ncut, max_ncut=0.8),
}
SIZE = 36  # of the padded regions below: one compilation for every rule and bound


@functools.partial(jax.jit, static_argnames=("name", "max_ncut"))
def divided(weights, mask, *, name, max_ncut):
    rule = RULES[name]
    if name != "paper":
        rule = functools.partial(rule, max_ncut=max_ncut)
    return rule(jax.random.key(0), weights, mask)


def divide(weights, name, *, max_ncut=0.8):
    """Divides a graph of up to SIZE vertices; the padding must not count."""
    n = len(weights)
    padded = np.full((SIZE, SIZE), 9, np.float32)
    padded[:n, :n] = weights
    mask = jnp.arange(SIZE) < n
    return divided(jnp.asarray(padded), mask, name=name, max_ncut=max_ncut)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_grows_a_proper_tree(name):
    weights = random_graph(0, n=40) ** 4 + block_graph([16, 14, 10])
    members = np.arange(40) != 7
    rule = RULES[name]
    grow_fn = functools.partial(
        grow.grow, rule=rule, max_depth=4, max_children=2 if name == "two_way" else 9
    )
    tree = jax.device_get(jax.jit(grow_fn)(jax.random.key(1), weights, members))
    count = int(tree.num_nodes)
    assert tree.leaves[7] == -1
    assert (tree.leaves[members] >= 0).all()
    assert (tree.parents[1:count] < np.arange(1, count)).all()
    assert (tree.parents[count:] == -1).all()
    depths = np.zeros(count, int)
    for node in range(1, count):
        depths[node] = depths[tree.parents[node]] + 1
    np.testing.assert_array_equal(tree.depths[:count], depths)
    assert depths.max() <= 4
    check_costs(weights, members, tree, count)


def check_costs(weights, members, tree, count):
    """Costs are the normalised cuts of nodes within their parents, in float64."""
    inside = np.zeros((count, len(weights)), bool)
    inside[tree.leaves[members], np.flatnonzero(members)] = True
    for node in range(count - 1, 0, -1):
        inside[tree.parents[node]] |= inside[node]
    exact = weights.astype(np.float64)
    for node in range(1, count):
        region, parent = inside[node], inside[tree.parents[node]]
        assert region.any()
        volume = exact[np.ix_(region, parent)].sum()
        cut = exact[np.ix_(region, parent & ~region)].sum()
        expected = cut / volume if volume else 0.0
        assert abs(tree.costs[node] - expected) < 1e-4


@pytest.mark.parametrize(
    ("name", "children"), [("ncut", 3), ("paper", 3), ("two_way", 2)]
)
def test_separate_groups_are_found(name, children):
    sizes = [14, 12, 10]
    output = divide(block_graph(sizes), name)
    assert int(output.num_children) == children
    truth = np.repeat(np.arange(3), sizes)
    ours = np.asarray(output.labels)
    # Every true group lies in one child.
    assert all(len(np.unique(ours[truth == group])) == 1 for group in range(3))


@pytest.mark.parametrize("name", RULES)
def test_one_tight_group_stays_whole(name):
    # Halves of a complete graph of twenty have a mean NCut of 10 / 19.
    weights = np.ones((20, 20), np.float32) - np.eye(20, dtype=np.float32)
    output = divide(weights, name, max_ncut=0.5)
    assert int(output.num_children) == 0
    assert not np.asarray(output.labels).any()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_release_never_splits_three_vertices(size):
    output = divide(random_graph(0, n=16)[:size, :size], "ncut")
    assert int(output.num_children) == 0


def test_two_way_cuts_pass_the_bound_they_are_given():
    weights = random_graph(2, n=24)
    free = divide(weights, "two_way", max_ncut=2.0)
    cost = float(ncut.mean_ncut(free.costs, 2))
    for bound, children in ((cost * 1.001, 2), (cost * 0.999, 0)):
        output = divide(weights, "two_way", max_ncut=bound)
        assert int(output.num_children) == children


def test_buckets_hold_every_region_of_a_level():
    # Singletons beside pairs beside one large region: every bucket is at its limit.
    for m in (1, 2, 16, 17, 33, 200):
        buckets = grow._buckets(m)
        assert buckets[0][0] == m
        assert buckets[-1][1] == 1
        assert all(a[1] == b[0] for a, b in itertools.pairwise(buckets))


def test_bucket_size_does_not_change_the_tree(monkeypatch):
    weights = jnp.asarray(block_graph([12, 9, 8, 6], across=0.05)) + jnp.asarray(
        random_graph(1, n=35) * np.float32(0.1)
    )
    rule = functools.partial(split.by_two_way_ncut, max_ncut=0.7)
    members = jnp.ones(35, bool)

    def tree():
        grow_fn = functools.partial(grow.grow, rule=rule, max_depth=9, max_children=2)
        return jax.jit(grow_fn)(jax.random.key(0), weights, members)

    small = tree()
    monkeypatch.setattr(grow, "_SMALLEST_BUCKET", 64)  # one bucket for all
    large = tree()
    np.testing.assert_array_equal(small.leaves, large.leaves)
    np.testing.assert_allclose(small.costs, large.costs, atol=1e-6)
