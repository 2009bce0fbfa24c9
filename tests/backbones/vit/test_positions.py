import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from uhseg_jax.backbones.vit.positions import (
    POSITION_RULES,
    resize_positions,
    resize_weights,
)

sizes = st.integers(1, 80)
sources = st.integers(4, 40)


def keys_kernel(x: float, a: float) -> float:
    """Keys (1981), written out in powers."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return 0.0


def convolved(samples: np.ndarray, target: int, scale: float) -> np.ndarray:
    """Bicubic interpolation of a signal whose border values go on for ever."""
    reach = 4
    extended = np.pad(samples, reach, mode="edge")
    places = np.arange(len(extended)) - reach
    out = np.empty(target)
    for index in range(target):
        x = (index + 0.5) / scale - 0.5
        kernel = np.array([keys_kernel(x - place, -0.75) for place in places])
        out[index] = kernel @ extended
    return out


@given(sources, sizes, st.sampled_from(["offset", "size"]))
@settings(deadline=None, max_examples=50)
def test_rules_without_antialias_are_the_convolution(source, target, rule):
    samples = np.random.default_rng(source).normal(size=source)
    scale = ((target + 0.1) if rule == "offset" else target) / source
    weights = resize_weights(source, target, rule=rule)
    np.testing.assert_allclose(
        weights @ samples, convolved(samples, target, scale), rtol=0, atol=1e-12
    )


@given(sources, sizes)
@settings(deadline=None, max_examples=50)
def test_antialias_rule_is_pillows_bicubic(source, target):
    # Pillow's filter is the one that torch's antialiasing follows; it works in float32.
    samples = np.random.default_rng(source).normal(size=source).astype(np.float32)
    image = Image.fromarray(samples[None])
    expected = np.asarray(image.resize((target, 1), Image.Resampling.BICUBIC))[0]
    weights = resize_weights(source, target, rule="size_antialias")
    np.testing.assert_allclose(weights @ samples, expected, rtol=0, atol=2e-6)


@given(sources, sizes, st.sampled_from(POSITION_RULES))
@settings(deadline=None, max_examples=50)
def test_constant_positions_stay_constant(source, target, rule):
    weights = resize_weights(source, target, rule=rule)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", POSITION_RULES)
def test_native_grid_is_returned_as_it_is(rule):
    positions = jnp.asarray(np.random.default_rng(0).normal(size=(5, 5, 3)), "float32")
    assert resize_positions(positions, (5, 5), rule=rule) is positions


@pytest.mark.parametrize("rule", POSITION_RULES)
def test_rows_and_columns_are_not_confused(rule):
    rng = np.random.default_rng(0)
    positions = rng.normal(size=(7, 7, 2)).astype(np.float32)
    expected = np.einsum(
        "hi,wj,ijd->hwd",
        resize_weights(7, 4, rule=rule),
        resize_weights(7, 11, rule=rule),
        positions.astype(np.float64),
    )
    found = resize_positions(jnp.asarray(positions), (4, 11), rule=rule)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_rules_differ_by_more_than_rounding():
    resized = [resize_weights(37, 60, rule=rule) for rule in POSITION_RULES]
    assert np.abs(resized[0] - resized[1]).max() > 1e-3
    assert np.abs(resized[1] - resized[2]).max() > 1e-2


def test_unknown_rule_and_empty_grid_are_refused():
    with pytest.raises(ValueError, match="at least one patch"):
        resize_weights(37, 0, rule="size")
