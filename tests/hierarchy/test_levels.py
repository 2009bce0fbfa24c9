import numpy as np

from uhseg_jax.hierarchy.levels import tree_of_levels
from uhseg_jax.hierarchy.tree_file import fault_of


def is_one_partition(one, other):
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(np.unique(one)) == len(np.unique(other)) == pairs.shape[1]


def test_cuts_by_depth_are_the_levels_divided_by_those_above():
    rng = np.random.default_rng(0)
    levels = rng.integers(-2, 3, (3, 5, 7)).astype(np.int8)
    tree = tree_of_levels(levels)
    arrays = {x: getattr(tree, x) for x in ("labels", "parents", "depths", "costs")}
    assert fault_of(**arrays) is None
    base = levels - levels.min()
    for depth in (1, 2, 3):
        wanted = sum(5**i * base[i].astype(int) for i in range(depth))
        assert is_one_partition(tree.cut(cost=depth / 3 - 0.1), wanted)


def test_a_region_that_is_not_divided_is_one_node():
    coarse = np.array([[0, 0, 1, 1]])
    fine = np.array([[5, 9, 3, 3]], np.uint64)
    tree = tree_of_levels(np.stack([coarse.astype(np.uint64), fine]))
    np.testing.assert_array_equal(tree.labels, [[3, 4, 2, 2]])
    np.testing.assert_array_equal(tree.parents, [-1, 0, 0, 1, 1])
    np.testing.assert_array_equal(tree.costs, np.float32([0, 0, 0, 0.5, 0.5]))
    whole = tree_of_levels(np.zeros((2, 1, 4), int))
    assert int(whole.num_nodes) == 1
