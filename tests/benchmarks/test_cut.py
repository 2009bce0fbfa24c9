import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from graphs import clustered_features
from small_runs import CONFIG

from uhseg_jax.benchmarks import cut
from uhseg_jax.methods import METHODS

SPECTRAL = METHODS["recursive_spectral"]


def halves():
    features = np.zeros((6, 8, 4), np.float32)
    features[:, :4, 0], features[:, 4:, 1] = 1, 1
    return jnp.asarray(features)


def test_the_eigen_solvers_of_a_pair_agree():
    rows = jnp.asarray(clustered_features(0, n=150))
    assert cut.check_agreement(rows, q=5) < 1e-4


def test_a_cutter_goes_from_features_to_masks():
    cutter = cut.Cutter("small", SPECTRAL, CONFIG, (-1,))
    masks = cutter.masks(halves())
    assert [x.shape for x in masks] == [(6, 8)] * 4
    assert len(np.unique(masks[0])) == 2
    residuals = cut._residuals(cutter.output(halves()))
    assert 0 <= residuals["residual"] < 1e-3


def test_masks_are_set_beside_each_other_by_their_normalised_cuts():
    across, along = np.zeros((2, 6, 8), int)
    across[:, 4:], along[3:] = 1, 1
    found = [cut.ncut_values(halves(), [x])["2"] for x in (across, along)]
    assert found[0] < 1e-6 < found[1]


def test_the_aims_are_those_of_methods_that_may_change():
    assert cut._aim("cut: two_way") == 0.25
    assert cut._aim("cut: release") is None
    names = [x.name for x in cut.cutters()]
    assert names == ["two_way", "region_merging", "release"]


@pytest.mark.slow
def test_superpixels_can_be_given_or_found():
    cutter = cut.cutters()[1]
    config = dataclasses.replace(cutter.config, num_condensed=8)
    small = dataclasses.replace(cutter, config=config)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    calls = cut._calls([small], halves(), pixels)
    name = "cut: region_merging"
    assert list(calls) == [
        name, f"{name}, superpixels given", f"{name}, superpixels found"
    ]  # fmt: skip
    for one, other in zip(*(calls[x]() for x in list(calls)[1:]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parity
def test_the_rival_gives_as_many_masks():
    pytest.importorskip("ncut_pytorch")
    rows = clustered_features(0, n=100).astype(np.float32)
    masks = cut.torch_masks(jnp.asarray(rows.reshape(10, 10, -1)))()
    assert [x.shape for x in masks] == [(10, 10)] * 4
