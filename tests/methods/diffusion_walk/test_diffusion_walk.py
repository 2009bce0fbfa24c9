import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import uhseg_jax
from uhseg_jax.methods import diffusion_walk

SMALL = dataclasses.replace(
    diffusion_walk.fixed(),
    min_size=3,
    num_thresholds=20,
    max_depth=4,
    max_ncut=0.495,
    threshold_rule="fixed",
)
GRAPHS = {
    "walk": dataclasses.replace(SMALL, graph="walk", steps=1, max_ncut=0.45),
    "longer walk": dataclasses.replace(SMALL, graph="walk", steps=4, max_ncut=0.45),
    "rows": SMALL,
    "sharp rows": dataclasses.replace(
        SMALL, graph="rows", steps=2, exponent=10.0, stretched=True, max_ncut=0.25
    ),
}
segment = jax.jit(diffusion_walk.segment, static_argnames="config")


def planted(seed=0, *, across=0.01):
    """Attention that stays in the half of its cell, and rather in its quarter."""
    rng = np.random.default_rng(seed)
    parts = np.zeros((6, 6), int)
    parts[:, 3:] += 2
    parts[3:] += 1
    flat = parts.reshape(-1)
    same_half = flat[:, None] // 2 == flat[None, :] // 2
    same_part = flat[:, None] == flat[None, :]
    level = across + 0.1 * same_half + 0.5 * same_part
    attention = level * rng.uniform(0.5, 1.5, level.shape)
    return attention.reshape(6, 6, 36).astype(np.float32), parts


def tree_of(attention, config):
    return jax.device_get(segment(jnp.asarray(attention), config).tree)


@pytest.mark.parametrize("name", ["walk", "rows", "sharp rows"])
def test_planted_halves_and_parts_come_out(name):
    attention, parts = planted()
    tree = tree_of(attention, GRAPHS[name])
    halves = tree.cut(num_regions=2)
    assert adjusted_rand_score(halves.ravel(), (parts // 2).ravel()) == 1
    assert adjusted_rand_score(tree.cut(num_regions=4).ravel(), parts.ravel()) == 1


@pytest.mark.slow
def test_the_eigengap_counts_parts_that_are_alike():
    # Repeated eigenvalues: the walk never leaves a part, and there are four.
    _, parts = planted()
    flat = parts.reshape(-1)
    attention = (flat[:, None] == flat[None, :]).astype(np.float32).reshape(6, 6, 36)
    config = dataclasses.replace(GRAPHS["walk"], threshold_rule="eigengap")
    tree = tree_of(attention, config)
    assert adjusted_rand_score(tree.labels.ravel(), flat) == 1


@pytest.mark.parametrize(
    "rule", [pytest.param("relative_escape", marks=pytest.mark.slow), "stability"]
)
def test_every_rule_keeps_the_whole_halves_or_their_parts(rule):
    attention, parts = planted()
    config = dataclasses.replace(GRAPHS["walk"], threshold_rule=rule)
    output = jax.device_get(segment(jnp.asarray(attention), config))
    tree = output.tree
    wanted = parts if len(np.unique(tree.labels)) == 4 else parts // 2
    assert adjusted_rand_score(tree.labels.ravel(), wanted.ravel()) == 1
    assert tree.masks().sum((1, 2))[0] == 36
    costs = [
        np.mean(tree.costs[: tree.num_nodes][tree.parents[: tree.num_nodes] == i])
        for i in range(tree.num_nodes)
        if i in tree.parents[: tree.num_nodes]
    ]
    np.testing.assert_allclose(output.max_ncut, max(costs), rtol=1e-6)


def test_the_costs_of_the_first_split_are_escape_probabilities():
    attention, _ = planted(1)
    config = GRAPHS["longer walk"]
    tree = tree_of(attention, config)
    walked = attention.reshape(36, 36).astype(np.float64)
    walked /= walked.sum(1, keepdims=True)
    walked = (1 - config.teleport) * walked + config.teleport / 36
    values, vectors = np.linalg.eig(walked.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    walked = np.linalg.matrix_power(walked, config.steps)
    first = tree.cut(depth=1).reshape(-1)
    for child in np.unique(first):
        inside = first == child
        leaving = walked[inside][:, ~inside].sum(1)
        weights = stationary[inside]
        escape = (weights * leaving).sum() / weights.sum()
        # Products of 36 terms, four steps; relative to probabilities of order one.
        np.testing.assert_allclose(tree.costs[child], escape, atol=36 * 2**-23)


def test_leaves_partition_the_grid_and_are_large_enough():
    rng = np.random.default_rng(3)
    config = dataclasses.replace(GRAPHS["longer walk"], max_ncut=1.0)
    tree = tree_of(rng.random((6, 6, 36)).astype(np.float32) ** 8, config)
    leaves = np.flatnonzero(tree.is_leaf())
    assert set(np.unique(tree.labels)) == set(leaves)
    assert len(leaves) > 4
    assert tree.areas()[leaves].min() >= config.min_size


@pytest.mark.slow
def test_splits_cost_less_than_the_bound():
    rng = np.random.default_rng(4)
    attention = rng.random((6, 6, 36)).astype(np.float32) ** 8
    counts = []
    for max_ncut in (0.3, 0.45):
        config = dataclasses.replace(GRAPHS["walk"], max_ncut=max_ncut)
        output = jax.device_get(segment(jnp.asarray(attention), config))
        assert output.max_ncut < max_ncut
        counts.append(int(output.tree.num_nodes))
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_rows_count_by_their_direction():
    attention, _ = planted()
    rng = np.random.default_rng(5)
    scales = 2.0 ** rng.integers(-9, 9, (6, 6, 1)).astype(np.float32)
    one, other = tree_of(attention, SMALL), tree_of(attention * scales, SMALL)
    np.testing.assert_array_equal(one.labels, other.labels)


def test_the_order_of_the_cells_does_not_matter():
    attention, parts = planted()
    order = np.random.default_rng(6).permutation(36)
    shuffled = attention.reshape(36, 36)[order][:, order].reshape(6, 6, 36)
    tree = tree_of(shuffled, GRAPHS["walk"])
    moved = parts.reshape(-1)[order]
    assert adjusted_rand_score(tree.cut(num_regions=4).ravel(), moved) == 1


def separated():
    """Attention that never leaves the half of its cell."""
    attention, parts = planted(across=0.0)
    apart = parts.reshape(6, 6, 1) // 2 == parts.reshape(1, 1, 36) // 2
    return attention * apart, parts


@pytest.mark.parametrize("name", ["walk", "rows"])
def test_parts_between_which_no_walk_leads_come_apart_first(name):
    attention, parts = separated()
    tree = tree_of(attention, GRAPHS[name])
    halves = tree.cut(depth=1)
    assert adjusted_rand_score(halves.ravel(), (parts // 2).ravel()) == 1


@pytest.mark.parametrize("name", ["walk", "rows"])
def test_rows_of_zeros_stay_where_they_are(name):
    attention, _ = planted()
    attention[0, 0] = 0
    attention[5, 4] = 0
    output = jax.device_get(segment(jnp.asarray(attention), GRAPHS[name]))
    assert np.isfinite(output.tree.costs).all()
    assert np.isfinite(output.max_ncut)
    leaves = np.flatnonzero(output.tree.is_leaf())
    assert set(np.unique(output.tree.labels)) == set(leaves)


@pytest.mark.parametrize("name", ["walk", "rows"])
def test_attention_that_is_the_same_everywhere_gives_one_region(name):
    row = np.random.default_rng(7).random(36, np.float32)
    tree = tree_of(np.broadcast_to(row, (6, 6, 36)), GRAPHS[name])
    assert tree.num_nodes == 1
    np.testing.assert_array_equal(tree.labels, 0)


def test_grids_too_small_to_divide_give_one_region():
    attention = np.eye(6, dtype=np.float32).reshape(2, 3, 6)
    tree = tree_of(attention, dataclasses.replace(SMALL, min_size=4))
    assert tree.num_nodes == 1


def test_a_batch_is_its_images_one_by_one():
    batch = np.stack([planted(seed)[0] for seed in range(2)])
    batch[1, 2, 3] = 0  # a row of zeros is no reason to refuse attention
    together = uhseg_jax.segment_features(batch, method="diffusion_walk", config=SMALL)
    for tree, one in zip(together, batch, strict=True):
        alone = uhseg_jax.segment_features(one, method="diffusion_walk", config=SMALL)
        jax.tree.map(np.testing.assert_array_equal, tree, alone)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.ones((4, 4, 15), np.float32), "h * w is 16"),
        (
            np.full((4, 4, 16), -5, np.float32),
            "is -5; take it after the softmax",
        ),
        (np.full((4, 4, 16), np.nan, np.float32), "NaN"),
    ],
)
def test_what_is_no_attention_is_refused_with_a_sentence(bad, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        uhseg_jax.segment_features(bad, method="diffusion_walk", config=SMALL)


def test_a_split_that_costs_nothing_is_opened():
    attention, _ = separated()
    sharp = dataclasses.replace(SMALL, threshold_rule="stability", max_depth=1)
    output = jax.device_get(segment(jnp.asarray(attention), sharp))
    np.testing.assert_array_equal(output.tree.costs[:3], 0)
    assert output.tree.num_nodes == 3
