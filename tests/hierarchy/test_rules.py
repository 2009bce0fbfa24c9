"""The published rules against their float64 references, at bounds that decide."""

import functools

import jax
import numpy as np
import pytest
import rule_references
from graphs import block_graph, random_graph
from sklearn.metrics import adjusted_rand_score

from uhseg_jax.hierarchy import split

SIZE = 36


def graphs():
    """Groups of vertices, clear and less clear, of several sizes."""
    for seed, (sizes, noise) in enumerate(
        [
            ([14, 12, 10], 0.05),
            ([12, 9, 8, 7], 0.1),
            ([20, 16], 0.3),
            ([6, 5, 4, 5, 6], 0.05),
            ([18, 4, 4], 0.2),
            ([9, 9], 1.0),
            ([3, 2], 0.1),
            ([30], 1.0),
        ]
    ):
        n = sum(sizes)
        weights = block_graph(sizes, across=0.05) + noise * random_graph(seed, n=n)
        yield weights.astype(np.float32)


def noisy_graphs():
    """Half the edges missing: groups that k-means finds in more than one way."""
    for seed in range(12):
        sizes = ([8, 6, 6, 5], [12, 12, 12], [18, 18])[seed % 3]
        noise, across = ((0.3, 0.05), (3, 0.2), (6, 0.1))[seed // 4]
        weights = random_graph(seed, n=sum(sizes), density=0.5) ** 2
        yield (block_graph(sizes, across=across) + noise * weights).astype(np.float32)


def lowered_graphs():
    """Many groups by the eigengap, of which only two stay below a bound on NCut."""
    for seed, sizes, noise, across in [
        (0, [8, 6, 6, 5], 6, 0.1),
        (1, [12, 12, 12], 3, 0.2),
        (6, [12, 12, 12], 6, 0.1),
        (9, [7, 7, 7, 7, 7], 3, 0.2),
        (12, [10, 9, 8], 3, 0.2),
    ]:
        density = 0.5 if seed % 2 else 1.0
        weights = random_graph(seed, n=sum(sizes), density=density) ** 2
        yield (block_graph(sizes, across=across) + noise * weights).astype(np.float32)


@functools.partial(jax.jit, static_argnames="name")
def ours(weights, mask, name, first_bound, second_bound):
    """The rule with traced bounds, so that it is compiled once."""
    if name == "release":
        return split.by_eigengap_and_ncut(
            jax.random.key(0),
            weights,
            mask,
            max_ncut=first_bound,
            max_perturbation=second_bound,
        )
    return split.by_stable_eigengap(
        jax.random.key(0),
        weights,
        mask,
        max_eigenvalue=first_bound,
        max_perturbation=second_bound,
    )


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("release", ((0.8, 50.0), (0.45, 50.0), (0.25, 50.0), (0.8, 4.0), (0.8, 0.5))),
        ("paper", ((0.8, 20.0), (0.4, 20.0), (0.99, 20.0), (0.8, 2.0), (0.8, 0.2))),
    ],
)
def test_rules_decide_as_their_references_do(name, bounds):
    outcomes = set()
    for weights in graphs():
        n = len(weights)
        for first, second in bounds:
            output = ours(*padded(weights), name, first, second)
            if name == "release":
                kwargs = {"max_ncut": first, "max_perturbation": second}
                theirs = rule_references.release(weights.astype(np.float64), **kwargs)
            else:
                kwargs = {"max_eigenvalue": first, "max_perturbation": second}
                theirs = rule_references.paper(weights.astype(np.float64), **kwargs)
            children = 0 if theirs is None else len(np.unique(theirs))
            assert int(output.num_children) == children, (n, first, second)
            outcomes.add(children)
            if children:
                labels = np.asarray(output.labels)[:n]
                assert adjusted_rand_score(labels, theirs) == pytest.approx(1)
    # The graphs and bounds reach leaves, two children and more.
    assert {0, 2} < outcomes
    assert max(outcomes) >= 3


def padded(weights):
    """A graph of up to SIZE vertices with padding that must not count, and its mask."""
    n = len(weights)
    whole = np.full((SIZE, SIZE), 7, np.float32)
    whole[:n, :n] = weights
    return whole, np.arange(SIZE) < n


NAMES = pytest.mark.parametrize("name", ["release", "paper"])


@NAMES
def test_separate_groups_are_found(name):
    sizes = [14, 12, 10]
    output = ours(*padded(block_graph(sizes)), name, 0.8, 50.0)
    assert int(output.num_children) == 3
    for group in np.split(np.asarray(output.labels), np.cumsum(sizes)[:-1]):
        assert len(np.unique(group)) == 1


@NAMES
def test_one_tight_group_stays_whole(name):
    # Halves of a complete graph of twenty have a mean NCut of 10 / 19.
    weights = np.ones((20, 20), np.float32) - np.eye(20, dtype=np.float32)
    output = ours(*padded(weights), name, 0.5, 50.0)
    assert int(output.num_children) == 0
    assert not np.asarray(output.labels).any()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_release_never_splits_three_vertices(size):
    weights = random_graph(0, n=16)[:size, :size]
    assert int(ours(*padded(weights), "release", 0.8, 50.0).num_children) == 0


def test_the_paper_takes_the_smaller_of_the_two_norms():
    by_operator_norm = 0
    for weights in noisy_graphs():
        labels, needed, norms = rule_references.paper_stability(
            weights.astype(np.float64)
        )
        if labels is None or len(np.unique(labels)) > 2:
            continue  # more than two groups are not the same in every k-means
        by_operator_norm += norms[0] < 0.95 * norms[1]
        for factor, children in ((1.01, len(np.unique(labels))), (0.99, 0)):
            output = ours(*padded(weights), "paper", 0.8, needed * factor)
            assert int(output.num_children) == children
    assert by_operator_norm >= 2


def test_two_groups_left_over_come_from_the_normalised_rows():
    told_apart = 0
    for weights in lowered_graphs():
        exact = weights.astype(np.float64)
        values, vectors = rule_references.smallest_eigenpairs(exact)
        k = int(np.argmax(np.diff(values)[1:])) + 2
        assert k > 2
        rows = rule_references.unit_rows(vectors[:, :k])
        labels, raw = (
            rule_references.best_of_twelve(exact, column)
            for column in (rows[:, 1], vectors[:, 1])
        )
        cost = rule_references.mean_ncut(exact, labels)
        rivals = [
            rule_references.mean_ncut(exact, rule_references.clusters(rows, j))
            for j in range(3, k + 1)
        ]
        if min(rivals) < 1.05 * cost:
            continue
        bound = (cost + min(rivals)) / 2
        output = ours(*padded(weights), "release", bound, 1e9)
        assert int(output.num_children) == 2
        found = np.asarray(output.labels)[: len(weights)]
        assert adjusted_rand_score(found, labels) == pytest.approx(1)
        told_apart += adjusted_rand_score(raw, labels) < 1
    assert told_apart >= 3
