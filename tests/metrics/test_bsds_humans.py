"""One annotator of BSDS500 scored against the others gives the human figures."""

import itertools

import numpy as np
import pytest
import scipy.io

from uhseg_jax.metrics import partitions
from uhseg_jax.metrics.boundary import BoundaryState, score_stack
from uhseg_jax.metrics.boundary_matching import boundary_map
from uhseg_jax.metrics.contingency import contingency_table

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def people(shared):
    """Segmentations and boundaries of every annotator of 50 images.

    Every sixth of train + val, sorted by path.
    """
    folder = shared / "data" / "BSDS500" / "data" / "groundTruth"
    paths = sorted([*folder.glob("train/*.mat"), *folder.glob("val/*.mat")])[::6]
    if not paths:
        pytest.skip("BSDS500 is not in the shared folder")
    assert len(paths) == 50
    return [
        [
            (one[0, 0]["Segmentation"].astype(np.int32), one[0, 0]["Boundaries"] > 0)
            for one in scipy.io.loadmat(path)["groundTruth"][0]
        ]
        for path in paths
    ]


def test_humans_agree_as_published(people):
    images = []
    for annotators in people:
        pairs = []
        for (first, _), (second, _) in itertools.permutations(annotators, 2):
            table = contingency_table(first, second)
            pairs.append(
                (
                    partitions.covered_pixels(table) / table.sum(),
                    partitions.rand_index(table),
                    partitions.variation_of_information(table),
                )
            )
        images.append(np.mean(pairs, axis=0))
    covering, rand, bits = np.mean(images, axis=0)
    assert covering == pytest.approx(0.727, abs=5e-4)
    assert rand == pytest.approx(0.862, abs=5e-4)
    assert bits == pytest.approx(1.17, abs=5e-3)


def test_boundaries_are_drawn_as_the_benchmark_draws_them(people):
    for labels, boundaries in itertools.chain.from_iterable(people[::3]):
        np.testing.assert_array_equal(boundary_map(labels), boundaries)


def test_boundaries_of_humans_agree(people):
    # Measured here, on the first annotator of every fifth image against the others; the
    # benchmark gives F = 0.80 for humans on its test images.
    state = BoundaryState.empty(1)
    for (first, _), *others in people[::5]:
        state = state.update(score_stack(first[None], [labels for labels, _ in others]))
    assert state.compute()["boundary_ods"] == pytest.approx(0.795, abs=1e-3)
