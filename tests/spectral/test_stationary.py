"""The stationary distribution of walks against float64 numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import N, exact_stationary, random_chain, star
from graphs import block_graph

from uhseg_jax.spectral import walk

EPS = float(np.finfo(np.float32).eps)


stationary_of = jax.jit(walk.stationary_distribution, static_argnames="max_iterations")


def test_the_stationary_of_a_chain_that_mixes_is_its_leading_eigenvector():
    for seed in range(5):
        chain = random_chain(seed, contrast=2.0, teleport=0.0)
        values, vectors = np.linalg.eig(chain.T.astype(np.float64))
        leading = np.real(vectors[:, np.argmax(np.real(values))])
        output = stationary_of(jnp.asarray(chain))
        np.testing.assert_allclose(
            output.distribution, leading / leading.sum(), atol=1e-5
        )
        assert int(output.iterations) < 200


def test_the_stationary_of_a_periodic_chain_is_found():
    output = stationary_of(jnp.asarray(star(N)))
    np.testing.assert_allclose(output.distribution[0], 0.5, atol=1e-6)
    np.testing.assert_allclose(output.distribution[1:], 0.5 / (N - 1), atol=1e-6)
    assert int(output.iterations) < 100


@pytest.mark.parametrize("teleport", [0.0, 1e-4])
def test_parts_of_a_walk_keep_their_mass(teleport):
    sizes = [3, 4, 5]
    blocks = np.zeros((N, N), np.float32)
    ends = np.cumsum(sizes)
    for seed, (size, end) in enumerate(zip(sizes, ends, strict=True)):
        part = slice(end - size, end)
        blocks[part, part] = random_chain(seed, n=size, teleport=0.0)
    output = stationary_of(walk.teleport(jnp.asarray(blocks), teleport))
    found = np.asarray(output.distribution, np.float64)
    masses = np.add.reduceat(found, [0, *ends[:-1]])
    np.testing.assert_allclose(masses, np.array(sizes) / N, atol=1e-5)
    # What uniform jumps lead to, exactly, as jumps grow rare.
    exact = exact_stationary(walk.teleport(jnp.asarray(blocks), 1e-4))
    np.testing.assert_allclose(found, exact, atol=1e-4)


def test_walkers_stay_where_they_cannot_leave():
    attention = np.random.default_rng(8).random((N, N)).astype(np.float32)
    attention[5] = 0
    chain = walk.teleport(walk.transition_matrix(jnp.asarray(attention)), 1e-3)
    output = stationary_of(chain)
    np.testing.assert_allclose(output.distribution, exact_stationary(chain), atol=1e-4)
    assert int(jnp.argmax(output.distribution)) == 5


@pytest.mark.parametrize("limit", [1, 7, 2000])
def test_the_residual_and_the_steps_are_those_that_were_done(limit):
    # Two parts with little between them: what remains falls by 2 % in a step.
    blocks = block_graph([4, 8], across=0.0) + np.eye(N, dtype=np.float32)
    blocks[:4] += np.float32(0.01)
    chain = walk.transition_matrix(jnp.asarray(blocks))
    output = stationary_of(chain, max_iterations=limit)
    found = np.asarray(output.distribution, np.float64)
    moved = np.abs(found @ np.asarray(chain, np.float64) - found).sum()
    assert moved <= float(output.residual) + 4 * EPS
    if limit < 100:
        assert int(output.iterations) == limit
        assert float(output.residual) < 1.2 * moved
    else:
        assert 100 < int(output.iterations) < limit
        assert float(output.residual) <= 4 * EPS
    np.testing.assert_allclose(found.sum(), 1, atol=4 * EPS)


def test_a_distribution_that_is_known_takes_one_step():
    circle = np.roll(np.eye(N, dtype=np.float32), 1, axis=1)
    output = stationary_of(jnp.asarray(circle))
    np.testing.assert_allclose(output.distribution, 1 / N, rtol=4 * EPS)
    assert int(output.iterations) == 1
