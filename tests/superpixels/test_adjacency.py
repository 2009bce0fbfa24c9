import collections

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.superpixels.adjacency import find_borders


def borders_by_loop(labels, maps):
    found = collections.defaultdict(list)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            for v, u in ((y, x + 1), (y + 1, x)):
                if v < height and u < width and labels[y, x] != labels[v, u]:
                    ends = sorted((int(labels[y, x]), int(labels[v, u])))
                    found[tuple(ends)].append([max(m[y, x], m[v, u]) for m in maps])
    return dict(sorted(found.items()))


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(1, 12),
    st.integers(0, 2),
    st.integers(0, 10**6),
)
@settings(max_examples=100, deadline=None)
def test_borders_are_those_of_a_loop_over_the_pixels(size, numbers, num_maps, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, numbers, size).astype(np.int32)
    # Zeros too: a border whose values are all zero is a border.
    maps = [rng.integers(0, 3, size).astype(np.float32) for _ in range(num_maps)]
    ours, wanted = find_borders(labels, maps), borders_by_loop(labels, maps)
    assert ours.edges.dtype == np.int32
    assert ours.means.shape == (num_maps, len(wanted))
    assert [tuple(edge) for edge in ours.edges.tolist()] == list(wanted)
    np.testing.assert_array_equal(ours.lengths, [len(x) for x in wanted.values()])
    for edge, values in enumerate(wanted.values()):
        np.testing.assert_allclose(
            ours.means[:, edge], np.mean(values, axis=0)[:num_maps], rtol=1e-6
        )


def test_one_label_has_no_border():
    ours = find_borders(np.zeros((4, 3), np.int32), (np.ones((4, 3), np.float32),))
    assert ours.edges.shape == (0, 2)
    assert ours.lengths.shape == (0,)
    assert ours.means.shape == (1, 0)
