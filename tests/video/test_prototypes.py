"""What is remembered of regions."""

import itertools

import numpy as np
import pytest

from uhseg_jax.video.prototypes import Prototypes, paired, similarities


def prototypes(ids, vectors, seen):
    return Prototypes(
        np.array(ids, np.int32),
        np.array(vectors, np.float32),
        np.zeros((len(ids), 3), np.float32),
        np.full(len(ids), seen, np.int32),
    )


@pytest.mark.parametrize("seed", range(3))
def test_pairs_have_the_highest_sum_above_the_least(seed):
    scores = np.random.default_rng(seed).random((3, 4))
    found = paired(scores, 0.4)
    made = [(i, x) for i, x in enumerate(found) if x >= 0]
    assert len({x for _, x in made}) == len(made)
    assert all(scores[i, x] >= 0.4 for i, x in made)
    gains = np.where(scores >= 0.4, scores - 0.4, 0)
    best = max(
        sum(gains[i, x] for i, x in enumerate(order))
        for order in itertools.permutations(range(4), 3)
    )
    np.testing.assert_allclose(sum(gains[i, x] for i, x in made), best, atol=1e-5)


def test_without_rows_or_columns_there_are_no_pairs():
    assert paired(np.zeros((0, 3)), 0.1).size == 0
    np.testing.assert_array_equal(paired(np.zeros((2, 0)), 0.1), [-1, -1])


def test_memory_keeps_those_seen_last_and_moves_those_seen_again():
    memory = Prototypes.none(2)
    memory = memory.with_seen(prototypes([1, 2], np.eye(2), 0), rate=0.5, most=3)
    memory = memory.with_seen(prototypes([2, 3], [[1, 0], [1, 0]], 4), rate=0.5, most=3)
    np.testing.assert_array_equal(memory.ids, [2, 3, 1])
    np.testing.assert_allclose(memory.vectors[0], [0.5**0.5] * 2, rtol=1e-6)
    memory = memory.with_seen(prototypes([4], [[0, 1]], 6), rate=0.5, most=3)
    np.testing.assert_array_equal(memory.ids, [4, 2, 3])


def test_equal_regions_are_alike_by_one_and_colour_tells_others_apart():
    one = prototypes([1], [[0, 1]], 0)
    other = Prototypes(one.ids, one.vectors, one.colors + np.float32(0.2), one.seen)
    np.testing.assert_allclose(similarities(one, one), 1)
    np.testing.assert_allclose(similarities(one, other), 1 - 3 * 0.04 / 2, rtol=1e-5)
