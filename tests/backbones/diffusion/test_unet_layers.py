import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.diffusion.layers import Downsample, group_norm, sinusoids

EPS = float(np.finfo(np.float32).eps)


def test_sinusoids_are_cosines_then_sines_of_falling_frequency():
    times = np.array([0, 1, 37.5, 981], np.float32)
    found = sinusoids(jnp.asarray(times), 320)
    frequencies = 10_000.0 ** (-np.arange(160) / 160)
    angles = times.astype(np.float64)[:, None] * frequencies
    expected = np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)
    # The exponent goes to -9.2 and has three roundings of its own; the frequency and
    # the angle one each.
    exponent = np.log(1 / frequencies)
    allowed = angles * (1.5 * exponent + 1) * EPS + 2 * EPS
    assert (np.abs(found - expected) <= np.tile(allowed, 2)).all()


def test_norms_keep_the_digits_of_channels_with_a_large_mean():
    rng = np.random.default_rng(0)
    x = (1000 + rng.normal(size=(2, 6, 4, 8))).astype(np.float32)
    norm = group_norm(2, 1e-5, "norm")
    variables = norm.init(jax.random.key(0), x)
    found = norm.apply(variables, x)
    groups = x.astype(np.float64).reshape(2, 24, 2, 4)
    mean = groups.mean((1, 3), keepdims=True)
    spread = np.sqrt(groups.var((1, 3), keepdims=True) + 1e-5)
    expected = ((groups - mean) / spread).reshape(x.shape)
    # The mean of a group is off by a few roundings of 1000.
    np.testing.assert_allclose(found, expected, rtol=0, atol=8 * 1000 * EPS)


def test_a_halved_image_has_zeros_around_it_on_every_side():
    # The sum of 3 x 3 cells about every other cell, of an image of ones: the corner
    # misses a row and a column, which a border on the right alone would not.
    ones = jnp.ones((1, 4, 6, 1))
    params = {"conv": {"kernel": jnp.ones((3, 3, 1, 1)), "bias": jnp.zeros(1)}}
    found = Downsample(jnp.float32).apply({"params": params}, ones)
    np.testing.assert_array_equal(found[0, :, :, 0], [[4, 6, 6], [6, 9, 9]])
