import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import acute_features, clustered_features

from uhseg_jax.spectral import principal

N, D = 150, 300  # as many channels as are worth being reduced
EPS = np.finfo(np.float32).eps


def smooth(seed, *, offset):
    """Rows that vary in few directions, about a mean."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(N, D)) * np.exp(-np.arange(D) / 9)
    return rows + offset * np.exp(-np.arange(D) / 9)


CASES = {
    "many directions": clustered_features(0, n=N, d=D, noise=1.0),
    "few directions": smooth(1, offset=0.0),
    "an acute cone": smooth(2, offset=3.0),
    "positive": acute_features(3, n=N, d=D),
    "four rows again and again": np.tile(clustered_features(4, n=4, d=D), (40, 1))[:N],
    "all alike": np.ones((N, D)),
    "a zero row": np.concatenate([np.zeros((1, D)), smooth(5, offset=1.0)[1:]]),
}


def unit_rows(features):
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.where(lengths > 0, lengths, 1)).astype(np.float32)


@jax.jit
def both(unit):
    coordinates = principal.principal_coordinates(unit)
    return coordinates, principal.max_cosine_distance(unit, coordinates)


@pytest.mark.parametrize("name", CASES)
def test_the_largest_distance_is_exact(name):
    unit = unit_rows(CASES[name])
    coordinates, distance = both(unit)
    exact = unit.astype(np.float64)
    exact = max(1 - (exact @ exact.T).min(), 0)
    assert abs(float(distance) - exact) <= 8 * EPS
    assert coordinates.shape == (N, principal._DIRECTIONS)
    lengths = np.linalg.norm(coordinates, axis=1)
    assert (lengths <= np.linalg.norm(unit, axis=1) + 32 * EPS).all()


def test_coordinates_hold_what_few_directions_can():
    unit = unit_rows(CASES["an acute cone"])
    coordinates, _ = both(unit)
    missing = 1 - np.sum(np.asarray(coordinates, np.float64) ** 2, axis=1)
    assert missing.max() < 1e-4


def test_few_channels_stay_as_they_are():
    unit = unit_rows(clustered_features(6, n=N, d=16))
    coordinates, distance = both(unit)
    np.testing.assert_array_equal(coordinates, unit)
    exact = unit.astype(np.float64)
    assert abs(float(distance) - (1 - (exact @ exact.T).min())) <= 8 * EPS


@pytest.mark.parametrize(("tile", "chunk"), [(7, 3), (150, 150)])
def test_the_distance_does_not_depend_on_tiles_and_chunks(monkeypatch, tile, chunk):
    unit = jnp.asarray(unit_rows(CASES["many directions"]))
    coordinates, expected = both(unit)
    monkeypatch.setattr(principal, "_TILE", tile)
    monkeypatch.setattr(principal, "_CHUNK", chunk)
    found = jax.jit(principal.max_cosine_distance)(unit, coordinates)
    assert abs(float(found - expected)) <= 4 * EPS
