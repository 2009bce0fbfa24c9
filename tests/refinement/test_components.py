import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from uhseg_jax.refinement.components import absorb_small_components, label_components

maps = hnp.arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)),
                  elements=st.integers(0, 3))  # fmt: skip


@given(maps)
@settings(max_examples=30, deadline=None)
def test_components_are_those_of_each_label(labels):
    pieces = label_components(labels)
    found = {}
    for piece in range(pieces.max() + 1):
        (label,) = np.unique(labels[pieces == piece])
        found.setdefault(label, []).append(pieces == piece)
    for label, ours in found.items():
        theirs, count = ndimage.label(labels == label, np.ones((3, 3)))
        assert count == len(ours)
        for mask in ours:
            assert len(np.unique(theirs[mask])) == 1


@given(maps, st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_no_small_piece_is_left_and_large_pieces_keep_their_pixels(labels, min_area):
    cleaned = absorb_small_components(labels, min_area)
    before = label_components(labels)
    areas = np.bincount(before.ravel())
    large = areas >= min(min_area, areas.max())
    np.testing.assert_array_equal(cleaned[large[before]], labels[large[before]])
    after = np.bincount(label_components(cleaned).ravel())
    assert after.min() >= min(min_area, areas.max())


def test_a_small_piece_goes_to_what_surrounds_it():
    labels = np.zeros((9, 9), np.int32)
    labels[4, 4] = 7
    labels[:, 8] = 2
    cleaned = absorb_small_components(labels, 2)
    assert cleaned[4, 4] == 0
    assert (cleaned[:, 8] == 2).all()
    np.testing.assert_array_equal(absorb_small_components(labels, 1), labels)
