"""The measures of two partitions agree with scikit-learn, scikit-image and masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import class_maps, iou
from skimage.metrics import variation_of_information as skimage_variation
from sklearn.metrics import rand_score
from sklearn.metrics.cluster import contingency_matrix

from uhseg_jax.metrics import partitions
from uhseg_jax.metrics.contingency import contingency_table


@st.composite
def _pairs(draw, *, dropped=False):
    shape = draw(st.sampled_from([(1, 1), (1, 9), (6, 8)]))
    return tuple(
        draw(class_maps(shape, num_classes=k, dropped=dropped)) for k in (3, 5)
    )


@settings(max_examples=60, deadline=None)
@given(pair=_pairs())
def test_scikit_learn_and_scikit_image_agree(pair):
    first, second = pair
    table = contingency_table(first, second)
    compact = table[np.ix_(table.any(axis=1), table.any(axis=0))]
    np.testing.assert_array_equal(
        compact, contingency_matrix(first.ravel(), second.ravel())
    )
    for dtype in (np.uint8, np.uint16, np.int32):
        narrow = contingency_table(first.astype(dtype), second.astype(dtype))
        np.testing.assert_array_equal(narrow, table)
    assert partitions.rand_index(table) == pytest.approx(
        rand_score(first.ravel(), second.ravel()), abs=1e-12
    )
    assert partitions.variation_of_information(table) == pytest.approx(
        sum(skimage_variation(first, second)), abs=1e-9
    )


@settings(max_examples=60, deadline=None)
@given(pair=_pairs(dropped=True))
def test_covering_weights_the_best_overlap_by_area(pair):
    first, truth = pair
    counted = (first >= 0) & (truth >= 0)
    covered = sum(
        ((truth == r) & counted).sum()
        * max(
            iou((first == s) & counted, (truth == r) & counted)
            for s in np.unique(first[counted])
        )
        for r in np.unique(truth[counted])
    )
    found = partitions.covered_pixels(contingency_table(first, truth))
    assert found == pytest.approx(covered, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(pair=_pairs(), names=st.permutations(range(5)))
def test_names_do_not_matter_and_equal_partitions_are_perfect(pair, names):
    first, second = pair
    same = contingency_table(second, np.array(names)[second])
    assert partitions.covered_pixels(same) == second.size
    assert partitions.rand_index(same) == 1
    assert partitions.variation_of_information(same) == 0
    table = contingency_table(first, second)
    renamed = contingency_table(first, np.array(names)[second])
    for measure in (
        partitions.covered_pixels,
        partitions.rand_index,
        partitions.variation_of_information,
    ):
        assert measure(table) == pytest.approx(measure(renamed), abs=1e-9)


def test_large_images_do_not_overflow():
    table = np.array([[10**8, 0], [0, 7 * 10**7]])
    assert partitions.rand_index(table) == 1
    one_region = np.array([[10**8, 7 * 10**7]])
    share = (10**16 + 49 * 10**14) / (17 * 10**7) ** 2
    assert partitions.rand_index(one_region) == pytest.approx(share, rel=1e-7)


def test_no_pixels_are_no_error():
    table = np.zeros((2, 3), int)
    assert partitions.covered_pixels(table) == 0
    assert partitions.rand_index(table) == 1
    assert partitions.variation_of_information(table) == 0
