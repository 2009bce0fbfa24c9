"""Too many regions that touch no other: which are joined, and with what."""

import numpy as np
import pytest

from uhseg_jax.hierarchy import scattered
from uhseg_jax.hierarchy.scattered import join_scattered


@pytest.mark.parametrize("seed", [0, 1])
def test_the_smallest_join_the_most_similar_of_the_largest(seed, monkeypatch):
    monkeypatch.setattr(scattered, "_ROWS", 7)
    rng = np.random.default_rng(seed)
    regions = np.concatenate([rng.permutation(30), rng.integers(0, 30, 20)])
    vectors = rng.normal(size=(50, 4)).astype(np.float32)
    areas = rng.choice([0.5, 1.0, 2.0], 50)
    found = join_scattered(regions, vectors, areas, num_regions=9)
    sizes = [areas[regions == r].sum() for r in range(30)]
    means = [
        np.average(vectors[regions == r], axis=0, weights=areas[regions == r])
        for r in range(30)
    ]
    kept = sorted(range(30), key=lambda r: (-sizes[r], r))[:9]
    into = [
        r if r in kept else min(kept, key=lambda k: ((means[r] - means[k]) ** 2).sum())
        for r in range(30)
    ]
    want = np.array(into)[regions]
    order = list(dict.fromkeys(want.tolist()))
    np.testing.assert_array_equal(found, [order.index(x) for x in want])


def test_few_stay():
    regions = np.array([0, 2, 1, 1])
    found = join_scattered(regions, np.eye(4), np.ones(4), num_regions=3)
    np.testing.assert_array_equal(found, regions)
