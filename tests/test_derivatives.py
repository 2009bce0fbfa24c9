"""What has no derivative says so in a sentence when it is differentiated."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import uhseg_jax
from uhseg_jax import methods
from uhseg_jax.derivatives import NoDerivativeError, constant
from uhseg_jax.refinement.dense_crf import PRESETS, mean_field
from uhseg_jax.spectral import eigen, kmeans, walk
from uhseg_jax.spectral.operators import MatrixOperator

POINTS = jnp.asarray(np.random.default_rng(0).random((8, 8)).astype(np.float32))
TREE = uhseg_jax.RegionTree.flat(np.array([[1, 2]]), 3)


def of_method(name):
    method = methods.method_of(name)
    config = method.resolve_config(None)
    return lambda x: method.segment(x.reshape(4, 4, 4), config).tree.costs.sum()


def lanczos(x):
    operator = MatrixOperator(x, jnp.ones((8,), bool))
    key, known = jax.random.key(0), jnp.zeros((8, 1))
    return eigen.solve_lanczos(
        operator, 1, key=key, known=known, num_steps=2
    ).values.sum()


def tree_of(costs):
    return dataclasses.replace(TREE, costs=costs)


WITHOUT = {
    "k-means": lambda x: kmeans.k_means(jax.random.key(0), x, 3).inertia,
    "A tree of regions": of_method("region_merging"),
    "Lanczos": lanczos,
    "stationary distribution": lambda x: walk.stationary_distribution(x).residual,
    "dense CRF": lambda x: mean_field(
        x.reshape(8, 4, 2), np.zeros((8, 4, 3), np.uint8), PRESETS["cutler"]
    ).sum(),
    "segment takes": lambda x: uhseg_jax.segment(x).costs.sum(),
    "segment_features takes": lambda x: uhseg_jax.segment_features(
        x.reshape(4, 4, 4)
    ).costs.sum(),
    "extract_features takes": lambda x: uhseg_jax.extract_features(x).sum(),
    "tree whose labels are numpy's": lambda x: tree_of(x[0, :3]).cut(depth=1).sum(),
    "A cut of a tree": lambda x: jnp.sum(
        jax.tree.map(jnp.asarray, tree_of(x[0, :3])).cut(depth=1), dtype=float
    ),
    "RegionTree.ultrametric": lambda x: tree_of(x[0, :3]).ultrametric().image().sum(),
    "RegionTree.proposals": lambda x: tree_of(x[0, :3]).proposals(2).scores.sum(),
    "RegionTree.nodes": lambda x: tree_of(x[0, :3]).nodes["cost"].sum(),
    "RegionTree.regions": lambda x: tree_of(x[0, :3]).regions(depth=1).masks().sum(),
    "RegionTree.to_linkage": lambda x: tree_of(x[0, :3]).to_linkage().sum(),
    "function of features": lambda x: TREE.describe(x.reshape(4, 4, 4)).sum(),
}


@pytest.mark.parametrize("what", WITHOUT)
def test_what_has_no_derivative_says_so(what):
    with pytest.raises(NoDerivativeError, match=what) as caught:
        jax.grad(WITHOUT[what])(POINTS)
    assert "soft_ncut" in str(caught.value)


def test_both_modes_say_so_under_jit_and_constants_pass():
    held = jax.jit(lambda x, y: jnp.sum(constant("It has no derivative", x) * y))
    with pytest.raises(NoDerivativeError, match="It has no derivative"):
        jax.jvp(held, (POINTS, POINTS), (POINTS, POINTS))
    np.testing.assert_array_equal(jax.grad(held, argnums=1)(POINTS, POINTS), POINTS)
    stopped = jax.grad(lambda x: held(jax.lax.stop_gradient(x), x))(POINTS)
    np.testing.assert_array_equal(stopped, POINTS)
