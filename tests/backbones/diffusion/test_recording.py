import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from uhseg_jax.backbones.diffusion.recording import (
    AttentionSum,
    _rows,
    attend_and_add,
    attend_recorded,
    empty_sums,
)
from uhseg_jax.backbones.diffusion.variants import SD_TEST, SD_V1, SSD_1B

EPS = float(np.finfo(np.float32).eps)
HEADS = 3


def tokens(batch: int = 2, n: int = 20, width: int = 12) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.normal(0, 2, (3, batch, n, width)).astype(np.float32))


def reference(query, key, value) -> tuple[np.ndarray, np.ndarray]:
    """Mixed values, and the mean of the heads' maps, in float64."""
    batch, n, width = query.shape
    q, k, v = (
        np.asarray(array, np.float64).reshape(batch, n, HEADS, -1)
        for array in (query, key, value)
    )
    logits = np.einsum("bqhc,bkhc->bhqk", q, k) / np.sqrt(width // HEADS)
    weights = scipy.special.softmax(logits, axis=-1)
    mixed = np.einsum("bhqk,bkhc->bqhc", weights, v).reshape(query.shape)
    return mixed, weights.mean(1)


@pytest.mark.parametrize("rows", [5, 20])
def test_map_and_values_are_those_of_float64(rows):
    query, key, value = tokens()
    total = np.random.default_rng(1).uniform(size=(2, 20, 20)).astype(np.float32)
    mixed, found = attend_and_add(
        *map(jnp.asarray, (query, key, value, total)),
        heads=HEADS,
        rows=rows,
        dtype=jnp.float32,
    )
    expected, weights = reference(query, key, value)
    # A logit is off by a few roundings of its size, and so is the softmax, relatively.
    size = np.abs(query).max() * np.abs(key).max() * 4**0.5
    np.testing.assert_allclose(found, total + weights, atol=4 * size * EPS)
    scale = np.abs(value).max()
    np.testing.assert_allclose(mixed, expected, atol=4 * size * EPS * scale)


@pytest.mark.parametrize("rule", ["chunked", "whole"])
def test_values_are_the_same_whether_maps_are_recorded_or_not(rule):
    arrays = [jnp.asarray(array) for array in tokens()]
    zeros = AttentionSum(jnp.zeros((2, 20, 20)), jnp.zeros((), jnp.int32))
    expected, weights = reference(*arrays)
    for before in (None, {(4, 5): zeros, (1, 1): zeros}):
        mixed, sums = attend_recorded(
            *arrays, before, grid=(4, 5), heads=HEADS, rule=rule, dtype=jnp.float32
        )
        scale = np.abs(expected).max()
        np.testing.assert_allclose(mixed, expected, atol=64 * EPS * scale)
    assert {grid: int(added.num_maps) for grid, added in sums.items()} == {
        (4, 5): 1,
        (1, 1): 0,
    }
    np.testing.assert_allclose(sums[4, 5].total, weights, atol=64 * EPS)


@pytest.mark.parametrize(
    ("n", "rows"), [(4096, 256), (9216, 256), (3600, 240), (64, 64), (521, 1)]
)
def test_slabs_tile_a_map(n, rows):
    assert _rows(n) == rows


@pytest.mark.parametrize(
    ("spec", "grid", "cells"),
    [
        (SD_V1.unet, (64, 48), [(64, 48), (32, 24), (16, 12), (8, 6)]),
        (SSD_1B.unet, (128, 128), [(64, 64), (32, 32)]),
        (SD_TEST.unet, (8, 4), [(8, 4), (4, 2), (2, 1)]),
        (
            dataclasses.replace(SD_TEST.unet, middle_depth=None),
            (8, 8),
            [(8, 8), (4, 4)],
        ),
    ],
)
def test_empty_sums_are_of_every_resolution_with_attention_and_add_nothing(
    spec, grid, cells
):
    sums = jax.eval_shape(lambda: empty_sums(spec, 2, grid))
    assert {grid: added.total.shape for grid, added in sums.items()} == {
        (h, w): (2, h * w, h * w) for h, w in cells
    }
    if spec is SD_TEST.unet:
        assert not any(map(np.any, jax.tree.leaves(empty_sums(spec, 2, grid))))
