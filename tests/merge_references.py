"""Planar graphs to merge, and agglomeration by a plain search over all pairs."""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.merges import APART, GROUPS, TOUCHING
from uhseg_jax.pytrees import pytree_dataclass

HEIGHT, WIDTH = 4, 6
SIZE = HEIGHT * WIDTH  # of all problems, so that they share one program
MAX_GROUPS = 4


@pytree_dataclass
class Problem:
    """Arguments of `agglomerate`, vectors in the place of distances."""

    vectors: np.ndarray
    areas: np.ndarray
    edges: np.ndarray
    lengths: np.ndarray
    evidence: np.ndarray
    edge_weight: np.ndarray
    exponent: np.ndarray
    groups: np.ndarray
    group_levels: np.ndarray

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)


def random_problem(seed, *, num_groups=1):
    """A grid without some of its vertices and borders, in random groups."""
    rng = np.random.default_rng(seed)
    ids = np.arange(SIZE).reshape(HEIGHT, WIDTH)
    sides = [(ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:])]
    edges = np.concatenate([np.stack([a.ravel(), b.ravel()], 1) for a, b in sides])
    areas = rng.uniform(0.2, 1, SIZE)
    areas[rng.choice(SIZE, 3, replace=False)] = 0
    lengths = rng.integers(0, 9, len(edges)).astype(np.float32)
    lengths[(areas[edges] == 0).any(1)] = 0
    # Every group joins the last one at a level of its own: an ultrametric.
    levels = np.arange(MAX_GROUPS)
    levels = np.maximum(levels[:, None], levels[None]) + 0.5
    return Problem(
        vectors=rng.normal(size=(SIZE, 5)).astype(np.float32),
        areas=(areas / areas.sum()).astype(np.float32),
        edges=edges.astype(np.int32),
        lengths=lengths,
        evidence=rng.uniform(0, 2, len(edges)).astype(np.float32),
        edge_weight=np.float32(rng.uniform(0, 2)),
        exponent=np.float32(rng.uniform(0, 1)),
        groups=(np.arange(SIZE) * num_groups // SIZE).astype(np.int32),
        group_levels=levels.astype(np.float32),
    )


def slow_merges(problem):
    """``(children, height, stage)`` of every merge, float64, from the definition."""
    vectors, areas = problem.vectors.astype(np.float64), problem.areas.astype(float)
    touching = {}
    for (u, v), length, evidence in zip(
        problem.edges, problem.lengths, problem.evidence, strict=True
    ):
        if length:
            touching[u, v] = touching[v, u] = float(length), float(evidence)
    sets = {i: (i, [i]) for i in np.flatnonzero(areas)}  # slot: number and vertices

    def mean(vertices):
        return np.average(vectors[vertices], axis=0, weights=areas[vertices])

    def key(a, b):
        """Stage and dissimilarity of two slots."""
        one, two = sets[a][1], sets[b][1]
        borders = [touching[u, v] for u in one for v in two if (u, v) in touching]
        length = sum(x for x, _ in borders)
        edge = sum(x * y for x, y in borders) / length if borders else 0
        n, m = areas[one].sum(), areas[two].sum()
        cost = ((mean(one) - mean(two)) ** 2).sum() + problem.edge_weight * edge
        cost *= (n * m / (n + m)) ** float(problem.exponent)
        group, other = problem.groups[a], problem.groups[b]
        if group != other:
            return GROUPS, float(problem.group_levels[group, other])
        return (TOUCHING if borders else APART), cost

    merges, height, last = [], 0.0, TOUCHING
    while len(sets) > 1:
        (stage, cost), a, b = min(
            (key(a, b), a, b) for a in sets for b in sets if a < b
        )
        height = max(height, cost) if stage == last else cost
        last = stage
        merges.append(([sets[a][0], sets[b][0]], height, stage))
        sets[a] = len(areas) + len(merges) - 1, sets[a][1] + sets.pop(b)[1]
    return merges


def merged_sets(merges):
    """The two sets of vertices that every merge joins."""
    n = len(merges.members)
    sets = [frozenset([i]) for i in range(n)]
    pairs = []
    for a, b in np.asarray(merges.children)[: int(merges.count)]:
        pairs.append(frozenset([sets[a], sets[b]]))
        sets.append(sets[a] | sets[b])
    return pairs
