import dataclasses
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from uhseg_jax.backbones.diffusion.recording import (
    _rows,
    attend_and_add,
    attend_recorded,
    attention_layers,
    empty_record,
    empty_sums,
)
from uhseg_jax.backbones.diffusion.variants import SD_TEST, SD_V1, SSD_1B

EPS = float(np.finfo(np.float32).eps)
HIGHEST = jax.lax.Precision.HIGHEST
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
        precision=HIGHEST,
    )
    expected, weights = reference(query, key, value)
    # A logit is off by a few roundings of its size, and so is the softmax, relatively.
    size = np.abs(query).max() * np.abs(key).max() * 4**0.5
    np.testing.assert_allclose(found, total + weights, atol=4 * size * EPS)
    scale = np.abs(value).max()
    np.testing.assert_allclose(mixed, expected, atol=4 * size * EPS * scale)


@pytest.mark.parametrize("rule", ["chunked", "whole"])
def test_values_are_the_same_whatever_is_recorded(rule):
    arrays = [jnp.asarray(array) for array in tokens()]
    found = {}
    for recording in ("nothing", "layers", "sums"):
        mixed, record = attend_recorded(
            *arrays,
            empty_record(),
            path="here",
            grid=(4, 5),
            recording=recording,
            heads=HEADS,
            rule=rule,
            precision=HIGHEST,
        )
        found[recording] = mixed
        assert list(record.layers) == (["here"] if recording == "layers" else [])
        assert list(record.sums) == ([(4, 5)] if recording == "sums" else [])
    expected, _ = reference(*arrays)
    scale = np.abs(expected).max()
    for mixed in found.values():
        np.testing.assert_allclose(mixed, expected, atol=64 * EPS * scale)


def test_unknown_recording_is_refused():
    arrays = [jnp.asarray(array) for array in tokens()]
    with pytest.raises(ValueError, match="expected one of nothing, layers, sums"):
        attend_recorded.__wrapped__(
            *arrays,
            empty_record(),
            path="here",
            grid=(4, 5),
            recording="everything",
            heads=HEADS,
            rule="chunked",
            precision=HIGHEST,
        )


@pytest.mark.parametrize(
    ("n", "rows"), [(4096, 256), (9216, 256), (3600, 240), (64, 64), (521, 1)]
)
def test_slabs_tile_a_map(n, rows):
    assert _rows(n) == rows


def test_layers_of_stable_diffusion_1_are_five_at_every_level_and_one_in_the_middle():
    layers = attention_layers(SD_V1.unet, (64, 48))
    assert Counter(layers.values()) == {
        (64, 48): 5,
        (32, 24): 5,
        (16, 12): 5,
        (8, 6): 1,
    }
    assert layers["down_blocks_0/attentions_1/transformer_blocks_0"] == (64, 48)
    assert layers["up_blocks_1/attentions_2/transformer_blocks_0"] == (16, 12)
    assert layers["mid_block/attentions_0/transformer_blocks_0"] == (8, 6)


def test_layers_of_ssd_1b_are_as_deep_as_each_block_says():
    layers = attention_layers(SSD_1B.unet, (128, 128))
    assert Counter(layers.values()) == {
        (64, 64): 2 + 2 + 2 + 1 + 1,
        (32, 32): 4 + 4 + 4 + 4 + 10,
    }
    assert layers["up_blocks_0/attentions_2/transformer_blocks_9"] == (32, 32)


def test_empty_sums_are_of_every_resolution_and_add_nothing():
    record = empty_sums(SD_TEST.unet, 2, (8, 4))
    assert {grid: added.total.shape for grid, added in record.sums.items()} == {
        (8, 4): (2, 32, 32),
        (4, 2): (2, 8, 8),
        (2, 1): (2, 2, 2),
    }
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(record))
    without = dataclasses.replace(SD_TEST.unet, middle_depth=None)
    assert list(empty_sums(without, 1, (8, 8)).sums) == [(4, 4), (8, 8)]
