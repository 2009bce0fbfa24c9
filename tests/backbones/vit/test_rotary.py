import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.backbones.vit.rotary import (
    ROTARY_RULES,
    rotary_angles,
    rotary_sin_cos,
    rotate_patches,
)

EPS = float(np.finfo(np.float32).eps)
HEADS, HEAD_WIDTH = 2, 12
WIDTH = HEADS * HEAD_WIDTH


def tokens_of(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, n, WIDTH))


def rotated(tokens: np.ndarray, grid: tuple[int, int], rule="rotary") -> np.ndarray:
    sin_cos = rotary_sin_cos(grid, HEAD_WIDTH, rule=rule)
    found = rotate_patches(jnp.asarray(tokens, jnp.float32), sin_cos, heads=HEADS)
    return np.asarray(found, np.float64)


def as_complex(tokens: np.ndarray) -> np.ndarray:
    """A complex number for each pair of channels: [heads, c / 2]."""
    halves = tokens.reshape(HEADS, 2, HEAD_WIDTH // 2)
    return halves[:, 0] + 1j * halves[:, 1]


@pytest.mark.parametrize("grid", [(3, 3), (2, 5)])
def test_rotation_is_a_product_with_complex_exponentials(grid):
    tokens = tokens_of(1 + grid[0] * grid[1])
    found = rotated(tokens, grid)
    for row in range(grid[0]):
        for column in range(grid[1]):
            y = 2 * (row + 0.5) / grid[0] - 1
            x = 2 * (column + 0.5) / grid[1] - 1
            periods = [100 ** (4 * j / HEAD_WIDTH) for j in range(HEAD_WIDTH // 4)]
            angles = np.array([y / p for p in periods] + [x / p for p in periods])
            patch = 1 + row * grid[1] + column
            np.testing.assert_allclose(
                as_complex(found[0, patch]),
                as_complex(tokens[0, patch]) * np.exp(2j * np.pi * angles),
                rtol=0,
                atol=16 * EPS,
            )


def test_tokens_before_the_patches_are_not_rotated():
    tokens = tokens_of(5 + 6)
    found = rotated(tokens, (2, 3))
    np.testing.assert_array_equal(found[:, :5], tokens[:, :5].astype(np.float32))
    assert np.abs(found[:, 5:] - tokens[:, 5:]).max() > 0.1


def test_products_depend_on_the_offset_between_two_patches_alone():
    query, key = (np.repeat(tokens_of(1, seed), 12, axis=1) for seed in (1, 2))
    products = np.einsum(
        "qc,kc->qk", rotated(query, (3, 4))[0], rotated(key, (3, 4))[0]
    )
    products = products.reshape(3, 4, 3, 4)
    # One row down and two columns to the right, from three places.
    found = [products[y, x, y + 1, x + 2] for y, x in ((0, 0), (1, 0), (1, 1))]
    np.testing.assert_allclose(found, found[0], rtol=0, atol=64 * EPS * WIDTH)
    assert abs(products[0, 0, 1, 1] - found[0]) > 1e-2


def test_any_grid_spans_the_same_range():
    coarse, fine = (rotary_angles((n, n), 8, rule="rotary") for n in (3, 9))
    # The centre of the middle patch of either is the centre of the image.
    np.testing.assert_allclose(coarse[4], 0.0, atol=1e-12)
    np.testing.assert_allclose(fine[40], 0.0, atol=1e-12)
    # Nine fine patches average to the coarse one that they fill.
    np.testing.assert_allclose(
        fine.reshape(3, 3, 3, 3, 4).mean((1, 3)).reshape(9, 4), coarse, atol=1e-12
    )


def test_rules_differ_by_the_rounding_of_periods():
    exact, rounded = (rotary_angles((4, 4), 64, rule=rule) for rule in ROTARY_RULES)
    relative = np.abs(rounded / exact - 1)
    assert 1e-3 < relative.max() < 2.0**-8


def test_bfloat16_tokens_stay_bfloat16_and_are_rotated_in_float32():
    sin_cos = rotary_sin_cos((2, 2), HEAD_WIDTH, rule="rotary")
    rough = jnp.asarray(tokens_of(5), jnp.bfloat16)
    found = rotate_patches(rough, sin_cos, heads=HEADS)
    assert found.dtype == jnp.bfloat16
    exact = rotate_patches(rough.astype(jnp.float32), sin_cos, heads=HEADS)
    # One rounding to 8 bits.
    np.testing.assert_allclose(
        np.asarray(found, np.float32), exact, rtol=2.0**-8, atol=1e-6
    )


def test_heads_that_two_axes_do_not_share_are_refused():
    with pytest.raises(ValueError, match="multiple of 4 channels; found 6"):
        rotary_angles((2, 2), 6, rule="rotary")
