"""Rules for the bound against a search over the flat segmentations of small trees."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import make_tree, on_device, quadrants, random_tree

from uhseg_jax.hierarchy import cuts
from uhseg_jax.methods.diffusion_walk import threshold_rules

HEIGHT, WIDTH = 2, 4
CELLS = HEIGHT * WIDTH
NODES = 16  # of every padded tree: one compilation for all

few = settings(max_examples=25, deadline=None)


@st.composite
def small_trees(draw):
    """Trees over eight cells, from the root alone to one leaf for every cell."""
    kwargs = {
        "height": HEIGHT,
        "width": WIDTH,
        "num_splits": draw(st.integers(0, 6)),
        "max_children": draw(st.integers(2, 4)),
        "tied_costs": draw(st.booleans()),
    }
    seed = draw(st.integers(0, 2**32 - 1))
    count = int(random_tree(seed, **kwargs).num_nodes)
    return random_tree(seed, padding=NODES - count, **kwargs)


def random_chain(seed):
    rng = np.random.default_rng(seed)
    rows = np.exp(2 * rng.normal(size=(CELLS, CELLS)))
    return (rows / rows.sum(1, keepdims=True)).astype(np.float32)


def exact_stationary(chain):
    stationary = np.full(CELLS, 1 / CELLS)
    for _ in range(2000):
        stationary = stationary @ chain.astype(np.float64)
    return stationary / stationary.sum()


def children_of(tree):
    parents = np.asarray(tree.parents)[: int(tree.num_nodes)]
    return {p: np.flatnonzero(parents == p).tolist() for p in set(parents[1:].tolist())}


def split_costs(tree):
    costs = np.asarray(tree.costs, np.float64)
    return {p: costs[kids].mean() for p, kids in children_of(tree).items()}


def regions_at(tree, cost):
    """The nodes that are seen when every split up to a cost is open."""
    children, costs = children_of(tree), split_costs(tree)

    def below(node):
        # As float32 has it, with which the cost was found.
        if node not in children or costs[node] > cost + 1e-6:
            return [node]
        return [leaf for kid in children[node] for leaf in below(kid)]

    return below(0)


def cells_of(tree, node):
    return np.flatnonzero(tree.masks()[node].ravel())


def escape(chain, cells):
    """The mean chance that a step from one of the cells leads to no other of them."""
    outside = [j for j in range(CELLS) if j not in set(cells)]
    return float(np.mean([chain[i, outside].astype(np.float64).sum() for i in cells]))


def escape_by_chance(chain):
    """The mean of `escape` over all sets of a size."""
    return {
        size: np.mean(
            [escape(chain, c) for c in itertools.combinations(range(CELLS), size)]
        )
        for size in range(1, CELLS + 1)
    }


def stability(chain, stationary, cells):
    """The chance to be there before and after a step, less that of two strangers."""
    stay = sum(stationary[i] * chain[i, j] for i in cells for j in cells)
    return float(stay - stationary[cells].sum() ** 2)


def check_best(tree, cost, score):
    """The cost opens the regions of least score, among all costs of splits."""
    rivals = {
        tuple(regions)
        for other in split_costs(tree).values()
        if len(regions := regions_at(tree, other)) > 1
    }
    if not rivals:
        assert float(cost) == -math.inf
        return
    chosen = regions_at(tree, float(cost))
    assert tuple(chosen) in rivals
    assert score(chosen) <= min(map(score, rivals)) + 1e-5


least_escape = jax.jit(threshold_rules.least_escape, static_argnames="relative")
most_stable = jax.jit(threshold_rules.most_stable)
opening_costs = jax.jit(cuts.opening_costs)
leaf_sets_of = jax.jit(threshold_rules.LeafSets.of)


@few
@given(small_trees())
def test_a_node_divides_at_the_costliest_split_above_it(tree):
    found = np.asarray(opening_costs(*on_device((tree.parents, tree.costs))))
    costs = split_costs(tree)
    for node in range(NODES):
        expected = -math.inf
        above = node
        while above >= 0:
            expected = max(expected, costs.get(above, math.inf))
            above = tree.parents[above]
        assert found[node] == pytest.approx(expected, abs=1e-6)


@few
@given(small_trees())
def test_leaf_sets_are_the_cuts_of_the_tree(tree):
    leaf_sets = jax.device_get(leaf_sets_of(on_device(tree)))
    count = int(tree.num_nodes)
    inner = np.isin(np.arange(NODES), list(children_of(tree)))
    np.testing.assert_array_equal(leaf_sets.exists, inner)
    np.testing.assert_array_equal(
        leaf_sets.contains[:, :count], tree.contains()[:, :count]
    )
    assert not leaf_sets.shown[~inner].any()
    for node in np.flatnonzero(inner):
        shown = np.flatnonzero(leaf_sets.shown[node])
        assert sorted(regions_at(tree, leaf_sets.opening_costs[node])) == shown.tolist()
        # They partition the image, and so does what the tree itself shows.
        cost = np.nextafter(leaf_sets.opening_costs[node], np.float32(np.inf))
        np.testing.assert_array_equal(np.unique(tree.cut(cost=cost)), shown)


@few
@given(small_trees())
def test_totals_are_sums_over_regions(tree):
    leaf_sets = leaf_sets_of(on_device(tree))
    areas = np.asarray(tree.areas(), np.float32)
    totals = np.asarray(leaf_sets.total(jnp.asarray(areas)))
    np.testing.assert_array_equal(totals, np.where(leaf_sets.exists, CELLS, 0))


@few
@given(small_trees(), st.integers(0, 1000))
def test_least_escape_is_the_least_mean_over_regions(tree, seed):
    chain = random_chain(seed)
    cost = least_escape(on_device(tree), jnp.asarray(chain), relative=False)

    def score(regions):
        return np.mean([escape(chain, cells_of(tree, node)) for node in regions])

    check_best(tree, cost, score)


@few
@given(small_trees(), st.integers(0, 9))
def test_relative_escape_compares_with_all_sets_of_the_same_sizes(tree, seed):
    chain = random_chain(seed)
    cost = least_escape(on_device(tree), jnp.asarray(chain), relative=True)
    by_chance = BY_CHANCE[seed]

    def score(regions):
        cells = [cells_of(tree, node) for node in regions]
        found = np.mean([escape(chain, c) for c in cells])
        return found / np.mean([by_chance[len(c)] for c in cells])

    check_best(tree, cost, score)


BY_CHANCE = [escape_by_chance(random_chain(seed)) for seed in range(10)]


@few
@given(small_trees(), st.integers(0, 1000))
def test_the_most_stable_partition_is_found(tree, seed):
    chain = random_chain(seed)
    stationary = exact_stationary(chain)
    cost = most_stable(
        on_device(tree), jnp.asarray(chain), jnp.asarray(stationary, jnp.float32)
    )

    def score(regions):
        return -sum(
            stability(chain, stationary, cells_of(tree, node)) for node in regions
        )

    check_best(tree, cost, score)


def padded_quadrants():
    """Halves of the image (0.1), then those of the left (0.4) and right (0.6)."""
    tree = quadrants(HEIGHT, WIDTH)
    count = int(tree.num_nodes)
    arrays = (x[:count] for x in (tree.parents, tree.depths, tree.costs))
    return on_device(make_tree(tree.labels, *arrays, padding=NODES - count))


def test_the_rules_stop_where_groups_of_cells_end():
    # Left and right are groups of their own; their halves are not.
    tree = padded_quadrants()
    left = np.tile(np.arange(WIDTH) < WIDTH // 2, (HEIGHT, 1)).ravel()
    chain = np.where(left[:, None] == left[None, :], 0.24, 0.01).astype(np.float32)
    stationary = np.full(CELLS, 1 / CELLS, np.float32)
    for cost in (
        least_escape(tree, jnp.asarray(chain), relative=False),
        least_escape(tree, jnp.asarray(chain), relative=True),
        most_stable(tree, jnp.asarray(chain), jnp.asarray(stationary)),
    ):
        assert float(cost) == pytest.approx(0.1)


@pytest.mark.parametrize("padding", [0, NODES - 1])
def test_a_tree_without_splits_has_no_cost(padding):
    labels = np.zeros((HEIGHT, WIDTH))
    tree = on_device(make_tree(labels, [-1], [0], [0], padding=padding))
    chain, stationary = jnp.asarray(random_chain(0)), jnp.full((CELLS,), 1 / CELLS)
    for relative in (False, True):
        cost = least_escape(tree, chain, relative=relative)
        assert float(cost) == -math.inf
    assert float(most_stable(tree, chain, stationary)) == -math.inf


@pytest.mark.parametrize("relative", [True, False])
def test_walkers_who_never_leave_have_a_cost(relative):
    # Nothing escapes from any set, nor from one drawn at random.
    stay = jnp.eye(CELLS)
    cost = least_escape(padded_quadrants(), stay, relative=relative)
    assert float(cost) in (pytest.approx(0.1), pytest.approx(0.4), pytest.approx(0.6))


def test_rules_map_over_a_batch():
    trees = [
        random_tree(
            seed,
            height=HEIGHT,
            width=WIDTH,
            num_splits=3,
            max_children=2,
            padding=NODES - 7,
        )
        for seed in range(3)
    ]
    chains = np.stack([random_chain(seed) for seed in range(3)])
    batch = jax.tree.map(lambda *x: jnp.stack(x), *map(on_device, trees))

    def cost_of(tree, chain):
        return threshold_rules.least_escape(tree, chain, relative=True)

    costs = jax.jit(jax.vmap(cost_of))(batch, jnp.asarray(chains))
    for tree, chain, cost in zip(trees, chains, costs, strict=True):
        alone = least_escape(on_device(tree), jnp.asarray(chain), relative=True)
        assert float(cost) == pytest.approx(float(alone), rel=1e-6)


@pytest.mark.parametrize(
    ("eigenvalues", "regions"),
    [
        ([0.0], 1),
        ([0.0, 0.9], 1),
        ([0.0, 0.1, 0.2], 2),
        ([0.0, 0.9, 0.95, 1.0], 2),  # the gap after the first says one region
        ([0.0, 0.1, 0.2, 0.8, 0.9], 3),
        ([0.0, 0.1, 0.15, 0.2, 0.9], 4),
        ([0.0, 0.0, 0.0, 0.5, 1.0, 1.0], 3),  # ties: the fewest regions
    ],
)
def test_the_eigengap_counts_regions_from_two(eigenvalues, regions):
    found = threshold_rules.largest_eigengap(jnp.asarray(eigenvalues, jnp.float32))
    assert int(found) == regions
    assert found.dtype == jnp.int32
