"""Markov chains with known properties, for the tests of walks."""

import numpy as np
from graphs import random_graph

N = 12
ASSIGNMENT = np.array([0, 1, 0, 3, 3, 1, 1, 0, 3, 3, 0, 0], np.int32)  # no group 2


def random_chain(seed, *, n=N, contrast=3.0, teleport=0.1):
    """A chain that is not reversible, with the mixing that bounds its memory."""
    rng = np.random.default_rng(seed)
    rows = np.exp(contrast * rng.normal(size=(n, n)))
    rows /= rows.sum(1, keepdims=True)
    return ((1 - teleport) * rows + teleport / n).astype(np.float32)


def reversible_chain(seed, *, n=N):
    """The walk on an undirected graph with loops; stationary as the degrees are."""
    weights = random_graph(seed, n=n) ** 2 + np.eye(n, dtype=np.float32)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def exact_stationary(chain):
    """The stationary distribution as the solution of a linear system in float64."""
    chain = np.asarray(chain, np.float64)
    n = len(chain)
    system = np.concatenate([chain.T - np.eye(n), np.ones((1, n))])
    return np.linalg.lstsq(system, np.eye(n + 1)[n], rcond=None)[0]


def flow_asymmetry(chain):
    """How far the flows are from detailed balance."""
    flows = exact_stationary(chain)[:, None] * np.asarray(chain, np.float64)
    return np.abs(flows - flows.T).sum()


def star(n):
    """The walk on a star: from the middle anywhere, from anywhere to the middle."""
    chain = np.zeros((n, n), np.float32)
    chain[0, 1:] = 1 / (n - 1)
    chain[1:, 0] = 1
    return chain
