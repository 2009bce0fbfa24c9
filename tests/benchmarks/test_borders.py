import numpy as np
import pytest
from small_runs import CONFIG

from uhseg_jax.benchmarks import borders
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.dense_crf import DenseCRF
from uhseg_jax.refinement.pamr import Pamr


def image():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.mark.slow
def test_every_refiner_can_be_timed():
    refine = Refinement((Pamr(), DenseCRF(iterations=1)))
    segmenter = Segmenter.create(
        model="dinov2_test", method="recursive_spectral", config=CONFIG, refine=refine
    )
    calls = borders.refiners(segmenter, image())
    names = ["none", "upsample", "pamr", "crf", "pamr,crf"]
    assert list(calls) == [f"refine: {name}" for name in names]
    for call in calls.values():
        assert call().labels.shape == (40, 50)


@pytest.mark.slow
def test_the_problem_of_the_crf_is_one_of_probabilities():
    small, unary = borders.crf_problem(image(), side=24, labels=5)
    assert small.shape == (24, 24, 3)
    np.testing.assert_allclose(np.exp(-unary).sum(axis=-1), 1, rtol=1e-5)
    calls = borders.mean_fields(small, unary)
    marginals = np.asarray(next(iter(calls.values()))())
    np.testing.assert_allclose(marginals.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parity
def test_both_contenders_give_the_same_labels():
    pytest.importorskip("pydensecrf.densecrf")
    calls = borders.mean_fields(*borders.crf_problem(image(), side=24, labels=5))
    found = borders.check_agreement(calls)
    assert found["label_agreement"] > 0.995
    assert abs(found["mean_kl"]) < 1e-5
