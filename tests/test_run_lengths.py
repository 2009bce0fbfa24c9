"""Run lengths against pycocotools, whole and damaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from uhseg_jax.run_lengths import compress, counts_of, decode, encode, expand, runs_of

MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


@settings(max_examples=100, deadline=None)
@given(mask=MASKS)
def test_masks_and_their_lengths_come_back(mask):
    rle = encode(mask)
    np.testing.assert_array_equal(decode(rle), mask)
    inside, lengths = runs_of(mask.astype(np.uint8))
    counts = counts_of(inside > 0, lengths)
    assert compress(counts, mask.shape) == rle
    np.testing.assert_array_equal(expand(rle["counts"]), counts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=30))
def test_lengths_of_any_size_come_back(counts):
    rle = coco_mask.frPyObjects({"size": [1, 1], "counts": counts}, 1, 1)
    np.testing.assert_array_equal(expand(rle["counts"]), counts)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (b"", "in COCO's letters"),
        (b"\x01", "in COCO's letters"),
        (b"p", "in COCO's letters"),
        (b"5P", "the last one breaks off"),
        (b"P" * 9 + b"1", "too many digits"),
    ],
)
def test_bytes_that_are_no_lengths_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        expand(counts)
