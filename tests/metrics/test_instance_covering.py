"""NFCovering covers every foreground instance by its best region."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import class_maps, iou

from uhseg_jax.metrics.instance_covering import InstanceState, nfcovering


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_each_instance_takes_its_best_region(data):
    segments = data.draw(class_maps((7, 9), num_classes=6, dropped=False)) * 1000
    instances = data.draw(class_maps((7, 9), num_classes=4))
    counted = instances >= 0
    expected = [
        max(iou((segments == s) & counted, instances == i) for s in np.unique(segments))
        for i in range(1, 4)
        if (instances == i).any()
    ]
    found = nfcovering(segments, instances)
    if expected:
        assert found == pytest.approx(np.mean(expected), abs=1e-12)
    else:
        assert np.isnan(found)


def test_the_instances_themselves_score_one():
    instances = np.repeat([[0, 1, 2, 2, -1, 3]], 3, axis=0)
    assert nfcovering(np.maximum(instances, 0), instances) == 1
    # Two instances of a class in one region: each covers it by half.
    assert nfcovering(np.zeros((1, 4), int), np.array([[1, 1, 2, 2]])) == 0.5


def test_images_are_averaged_and_those_without_instances_skipped():
    state = InstanceState.empty()
    assert np.isnan(state.compute()["nfcovering"])
    for score in (0.25, float("nan"), 1.0):
        state = state.update(score)
    assert state.compute() == {"nfcovering": 0.625, "images": 2, "skipped": 1}
    assert state.merge(state).compute()["nfcovering"] == 0.625


def test_sizes_that_differ_are_named():
    with pytest.raises(ValueError, match="same size"):
        nfcovering(np.zeros((2, 2), int), np.zeros((2, 3), int))
