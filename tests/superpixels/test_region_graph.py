"""Graphs whose vertices lie anywhere: means, sums and borders of their regions."""

import numpy as np
import pytest

from uhseg_jax.superpixels.region_graph import RegionGraph, joined


def random_graph(seed, *, n=40, d=6, num_edges=90):
    """Some vertices touch, each pair once; it is not planar."""
    rng = np.random.default_rng(seed)
    areas = rng.uniform(0.2, 1, n)
    pairs = rng.permutation(n * (n - 1) // 2)[:num_edges]
    edges = np.stack(np.triu_indices(n, 1), axis=1)[np.sort(pairs)]
    return RegionGraph(
        vectors=rng.normal(size=(n, d)).astype(np.float32),
        areas=(areas / areas.sum()).astype(np.float32),
        colors=rng.normal(size=(n, 3)).astype(np.float32),
        edges=edges.astype(np.int32),
        lengths=rng.integers(1, 9, num_edges).astype(np.float32),
        evidence=rng.uniform(0, 2, num_edges).astype(np.float32),
    )


def borders_between(graph, one, other):
    """The edges from a set of vertices to another."""
    ends = np.isin(graph.edges, one), np.isin(graph.edges, other)
    return (ends[0][:, 0] & ends[1][:, 1]) | (ends[1][:, 0] & ends[0][:, 1])


@pytest.mark.parametrize("seed", range(4))
def test_regions_have_the_means_and_sums_of_their_vertices(seed):
    graph = random_graph(seed)
    regions = np.random.default_rng(seed + 9).integers(0, 7, len(graph))
    regions[:7] = np.arange(7)
    found = graph.condensed(regions)
    members = [np.flatnonzero(regions == i) for i in range(7)]
    weights = graph.areas.astype(float)
    for i, own in enumerate(members):
        assert found.areas[i] == pytest.approx(weights[own].sum(), rel=1e-6)
        for name in ("vectors", "colors"):
            rows = getattr(graph, name)[own].astype(float)
            mean = np.average(rows, axis=0, weights=weights[own])
            np.testing.assert_allclose(getattr(found, name)[i], mean, atol=1e-6)
    wanted = {}
    for i in range(7):
        for j in range(i + 1, 7):
            there = borders_between(graph, members[i], members[j])
            if there.any():
                lengths = graph.lengths[there].astype(float)
                mean = np.average(graph.evidence[there], weights=lengths)
                wanted[i, j] = lengths.sum(), mean
    assert list(wanted) == [tuple(x) for x in found.edges.tolist()]
    rows = np.stack([found.lengths, found.evidence], axis=1)
    np.testing.assert_allclose(rows, list(wanted.values()), rtol=1e-6)


def test_condensing_in_two_steps_is_condensing_in_one():
    graph = random_graph(1)
    first = np.arange(len(graph)) // 3
    second = np.arange(first.max() + 1) % 4
    twice, once = (
        graph.condensed(first).condensed(second),
        graph.condensed(second[first]),
    )
    for name, values in vars(once).items():
        np.testing.assert_allclose(vars(twice)[name], values, rtol=1e-5, atol=1e-6)


def test_borders_that_come_several_times_are_joined():
    edges = np.array([[3, 1], [1, 3], [2, 2], [0, 1]])
    found = joined(
        edges, np.array([1.0, 3.0, 5.0, 2.0]), np.array([0.4, 0.8, 9.0, 1.0])
    )
    np.testing.assert_array_equal(found[0], [[0, 1], [1, 3]])
    np.testing.assert_allclose(found[1], [2, 4])
    np.testing.assert_allclose(found[2], [1, 0.7])


def test_padding_counts_for_nothing_and_the_rest_stays():
    graph = random_graph(2)
    padded = graph.padded(64, 128)
    assert padded.areas.shape == (64,)
    assert not padded.areas[len(graph) :].any()
    assert not padded.lengths[len(graph.edges) :].any()
    np.testing.assert_array_equal(padded.edges[: len(graph.edges)], graph.edges)
    np.testing.assert_array_equal(padded.colors[: len(graph)], graph.colors)


def test_patches_touch_their_neighbours_in_rows_and_columns():
    vectors = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    graph = RegionGraph.of_patches(vectors)
    ids = np.arange(12).reshape(3, 4)
    pairs = [*zip(ids[:, :-1].ravel(), ids[:, 1:].ravel(), strict=True)]
    pairs += zip(ids[:-1].ravel(), ids[1:].ravel(), strict=True)
    assert sorted(map(tuple, graph.edges.tolist())) == sorted(pairs)
    np.testing.assert_array_equal(graph.vectors, vectors.reshape(12, 5))
    np.testing.assert_allclose(graph.areas, 1 / 12)
