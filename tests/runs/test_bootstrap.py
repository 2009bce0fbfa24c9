"""Resampled scores against exact errors, scipy's bootstrap and many samples."""

import numpy as np
import pytest
import scipy.stats
from evaluations import Mean, compute, resampled, state_of

from uhseg_jax.comparison.statistics import estimate
from uhseg_jax.metrics import states
from uhseg_jax.runs import bootstrap

KEY = "full/miou"


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).gamma(2.0, size=60)


def test_errors_of_means_are_the_exact_ones(values):
    found = resampled(values)
    one = estimate(values.mean(), found.scores[KEY])
    # Of 1,000 resamples the deviation is known to two in a hundred.
    assert one.error == pytest.approx(values.std() / np.sqrt(values.size), rel=0.07)
    assert found.scores[KEY].mean() == pytest.approx(values.mean(), abs=0.1 * one.error)
    assert found.images == 60
    assert all(x.shape == (1000,) for x in found.scores.values())


def test_paired_differences_are_those_of_scipy(values):
    noise = np.random.default_rng(1).normal(0.05, 0.2, size=values.size)
    first, second = resampled(values), resampled(values + noise)
    assert first.draws_as(second)
    one = estimate(noise.mean(), second.scores[KEY] - first.scores[KEY])
    theirs = scipy.stats.bootstrap(
        (values + noise, values),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        paired=True,
        method="percentile",
        n_resamples=5000,
        rng=np.random.default_rng(2),
    )
    assert one.error == pytest.approx(theirs.standard_error, rel=0.07)
    ends = (theirs.confidence_interval.low, theirs.confidence_interval.high)
    assert (one.low, one.high) == pytest.approx(ends, abs=0.2 * one.error)
    # Unpaired they would be ten times as far apart.
    assert one.error < 0.2 * estimate(0.0, first.scores[KEY]).error


def test_resamples_are_totals_of_images_drawn_so_often(values):
    few = values[:7]
    found = resampled(few)
    for score, drawn in zip(found.scores[KEY], bootstrap.weights(7, 5), strict=False):
        assert drawn.sum() == 7
        assert score == pytest.approx(np.repeat(few, drawn).mean(), abs=1e-9)
    counts = np.stack(list(bootstrap.weights(50)))
    assert counts.shape == (1000, 50)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.15)
    # As multinomial draws are: variance 1 - 1/n.
    np.testing.assert_allclose(counts.var(axis=0).mean(), 1 - 1 / 50, rtol=0.02)


def test_the_draws_stay_the_same():
    assert next(bootstrap.weights(12)).tolist() == [0, 0, 1, 3, 2, 0, 1, 1, 0, 3, 0, 1]


def test_errors_of_ratios_are_those_of_many_samples():
    rng = np.random.default_rng(3)

    def sample(n):
        wholes = rng.integers(1, 9, size=n)
        return rng.binomial(wholes * 100, 0.4), wholes * 100

    parts, wholes = sample(200)
    found = bootstrap.resample(
        lambda state: {"share": float(states.ratio(state.total, state.count))},
        [
            Mean(np.asarray(x), np.asarray(y))
            for x, y in zip(parts, wholes, strict=True)
        ],
    )
    ratios = [x.sum() / y.sum() for x, y in (sample(200) for _ in range(2000))]
    one = estimate(parts.sum() / wholes.sum(), found.scores["share"])
    assert one.error == pytest.approx(np.std(ratios), rel=0.2)


def test_what_was_written_is_read(values, tmp_path):
    found = resampled([*values[:5], np.nan])
    path = tmp_path / "bootstrap.npz"
    bootstrap.write(path, found)
    again = bootstrap.read(path)
    assert (again.images, again.seed) == (6, found.seed)
    assert list(again.scores) == list(found.scores) == list(compute(state_of(1.0)))
    for key, scores in found.scores.items():
        np.testing.assert_array_equal(again.scores[key], scores)
    before = path.read_bytes()
    bootstrap.write(path, found)
    assert path.read_bytes() == before
    bootstrap.write(path, bootstrap.resample(compute, []))
    assert bootstrap.read(path).scores == {}
    for content in (b"", b"no zip file", before[:200]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected resampled scores"):
            bootstrap.read(path)
    np.savez(path, keys=["a"], scores=np.zeros(3), images=3, seed=0)
    with pytest.raises(ValueError, match="expected resampled scores"):
        bootstrap.read(path)


def test_evaluations_of_other_draws_are_told_apart(values):
    assert not resampled(values[:5]).draws_as(resampled(values[:6]))


def test_what_is_hardly_ever_known_has_no_error():
    known = np.full(1000, np.nan)
    known[:400] = np.arange(400)
    assert np.isnan(estimate(1.0, known).error)
    assert not estimate(1.0, known).is_clear
    known[400:700] = 3.0
    assert np.isfinite(estimate(1.0, known).error)
