"""Trees of graphs of any size: the method's own where they are small."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import uhseg_jax
from uhseg_jax import methods
from uhseg_jax.hierarchy.tree import NO_PARENT, RegionTree
from uhseg_jax.methods import region_merging
from uhseg_jax.pipeline import graph_tree, require_graphs, tree_of_graph
from uhseg_jax.superpixels import RegionGraph

METHOD = methods.METHODS["region_merging"]
CONFIG = region_merging.Config(num_condensed=12, max_regions=8)


class Output(NamedTuple):
    tree: RegionTree


def of_graph(vectors, graph, config):
    """Node 2 are the vertices whose first channel is positive, node 1 the others."""
    return Output(
        RegionTree(
            labels=jnp.where(vectors[:, 0] > 0, 2, 1),
            parents=jnp.array([NO_PARENT, 0, 0]),
            num_nodes=jnp.asarray(3),
            depths=jnp.array([0, 1, 1]),
            costs=jnp.array([0.0, 0.5, 0.5]),
        )
    )


# Quick to compile, with the regions of the other below.
QUICK = dataclasses.replace(METHOD, name="quick", graph_fn=of_graph)


def patches(seed, *, size=(10, 12)):
    """Features of three stripes with noise, of unit length."""
    rng = np.random.default_rng(seed)
    stripes = np.arange(size[1]) * 3 // size[1]
    features = rng.normal(size=(3, 16))[stripes][None] + np.zeros((size[0], 1, 1))
    features += 0.4 * rng.normal(size=features.shape)
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    return features.astype(np.float32)


def partitions(tree):
    """The regions of every cut, whatever their numbers."""
    for count in range(1, CONFIG.max_regions + 1):
        labels = tree.cut(num_regions=count).ravel()
        yield {frozenset(np.flatnonzero(labels == i)) for i in np.unique(labels)}


@pytest.fixture
def condensed_early(monkeypatch):
    """As if a program could hold no more than 40 vertices."""
    monkeypatch.setattr(region_merging, "_MOST_CONDENSED", 40)


@pytest.mark.slow
def test_a_small_graph_has_the_tree_that_the_method_gives_to_the_image():
    features = patches(0)
    found = tree_of_graph(RegionGraph.of_patches(features), METHOD, CONFIG)
    wanted = uhseg_jax.segment_features(features, config=CONFIG)
    assert found.labels.shape == (120,)
    assert list(partitions(found)) == list(partitions(wanted))
    np.testing.assert_allclose(found.costs, wanted.costs, atol=1e-5)


@pytest.mark.slow
def test_the_order_of_the_vertices_changes_no_region(condensed_early):
    graph = RegionGraph.of_patches(patches(1))
    order = np.random.default_rng(0).permutation(len(graph))  # old numbers
    numbers = np.argsort(order)
    ends = np.sort(numbers[graph.edges], axis=1).astype(np.int32)
    shuffled = dataclasses.replace(
        graph, vectors=graph.vectors[order], areas=graph.areas[order], edges=ends
    )
    one = tree_of_graph(graph, METHOD, CONFIG)
    other = tree_of_graph(shuffled, METHOD, CONFIG)
    back = dataclasses.replace(other, labels=other.labels[numbers])
    assert list(partitions(back)) == list(partitions(one))


def test_a_large_graph_is_condensed_and_its_tree_covers_every_vertex(condensed_early):
    graph = RegionGraph.of_patches(patches(2))
    regions = region_merging.condense_graph(graph, CONFIG)
    assert regions.max() + 1 == 40
    tree = tree_of_graph(graph, QUICK, CONFIG)
    below = graph.condensed(regions)
    wanted = np.where(below.vectors[:, 0] > 0, 2, 1)[regions]
    np.testing.assert_array_equal(tree.labels, wanted)
    jax.tree.map(
        np.testing.assert_array_equal,
        tree,
        tree_of_graph(below, QUICK, CONFIG).over(regions),
    )


def test_a_graph_in_many_pieces_is_no_larger_below(condensed_early):
    graph = RegionGraph.of_patches(patches(2))
    none = dataclasses.replace(
        graph,
        edges=graph.edges[:0],
        lengths=graph.lengths[:0],
        evidence=graph.areas[:0],
    )
    assert len(np.unique(region_merging.condense_graph(none, CONFIG))) == 40


def test_features_of_a_large_grid_are_one_graph_of_all_patches(monkeypatch):
    monkeypatch.setattr(graph_tree, "_MOST_PATCHES", 100)
    features = 7 * np.stack([patches(0), patches(1)]).astype(np.float64)
    trees = uhseg_jax.segment_features(features, method=QUICK, config=CONFIG)
    assert trees.labels.shape == (2, 10, 12)
    wanted = np.where(features[..., 0] > 0, 2, 1)
    np.testing.assert_array_equal(trees.labels, wanted)
    one = uhseg_jax.segment_features(features[1], method=QUICK, config=CONFIG)
    np.testing.assert_array_equal(one.labels, wanted[1])


def test_methods_that_need_patches_are_refused_in_a_sentence():
    require_graphs(METHOD)
    with pytest.raises(ValueError, match=r"region_merging.*but got 'diffusion_walk'"):
        require_graphs(methods.METHODS["diffusion_walk"])
