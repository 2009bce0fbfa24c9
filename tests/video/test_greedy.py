"""The greedy baseline."""

import numpy as np
import pytest
from trees import random_tree

from uhseg_jax.video.greedy import greedy_pairs, linked_cuts, linked_trees


def test_the_highest_pair_comes_first_even_where_another_choice_has_a_higher_sum():
    scores = np.array([[0.9, 0.8], [0.8, 0.0]])
    np.testing.assert_array_equal(greedy_pairs(scores), [0, -1])


def test_ids_go_on_where_regions_move_and_new_regions_get_new_ids():
    first = np.zeros((6, 6), int)
    first[:2, :2] = 7
    second = np.full((6, 6), 3)
    second[:2, 1:3], second[4:, 4:] = 5, 9
    one, other = linked_cuts([first, second])
    assert one[5, 5] == other[0, 5]
    assert one[0, 0] == other[0, 1]
    assert other[5, 5] == 3
    np.testing.assert_array_equal(np.unique(one), [1, 2])


def test_an_id_of_a_region_that_ended_is_not_given_again():
    plain, spot = np.zeros((4, 4), int), np.zeros((4, 4), int)
    spot[:2, :2] = 1
    maps = list(linked_cuts([spot, plain, spot]))
    assert [int(x[0, 0]) for x in maps] == [2, 1, 3]


def test_nodes_of_equal_trees_are_linked_one_to_one():
    tree = random_tree(0)
    one, other = linked_trees([tree, tree])
    np.testing.assert_array_equal(one, np.arange(len(tree.parents)))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(2))
def test_linked_nodes_overlap_as_masks_do(seed):
    trees = [random_tree(seed), random_tree(seed + 10)]
    one, other = linked_trees(trees, least=0.3)
    masks = [x.masks() for x in trees]
    assert len(np.unique(other)) == len(other)
    assert one[0] == other[0] == 0
    for node, tube in enumerate(other):
        if tube < len(one):
            a, b = masks[0][np.flatnonzero(one == tube)[0]], masks[1][node]
            assert (a & b).sum() / (a | b).sum() >= 0.3
