import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.interpolation import Taps, make_taps
from uhseg_jax.refinement.evidence import (
    PatchUnits,
    joint_weights,
    leaf_logits,
    leaf_prototypes,
)

EPS = np.finfo(np.float32).eps
GRID, SIZE, SLOTS = (5, 7), (13, 9), 4


def grid_features():
    """Features that resemble one another, so that no interpolated one is short."""
    rng = np.random.default_rng(0)
    return (3 + rng.normal(size=(*GRID, 6))).astype(np.float32)


def grid_slots():
    return np.random.default_rng(1).integers(0, 3, GRID).astype(np.int32)


def taps(cells, pixels, kernel):
    found = make_taps(cells, pixels, kernel=kernel)
    return Taps(
        jnp.asarray(found.first, jnp.int32), jnp.asarray(found.weights, jnp.float32)
    )


def matrix(cells, pixels, kernel):
    found = make_taps(cells, pixels, kernel=kernel)
    dense = np.zeros((pixels, cells))
    for tap in range(4):
        columns = np.clip(found.first + tap, 0, cells - 1)
        np.add.at(dense, (np.arange(pixels), columns), found.weights[:, tap])
    return dense


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def reference_prototypes():
    units = unit(grid_features().astype(np.float64))
    return unit(np.stack([units[grid_slots() == j].mean(axis=0) for j in range(3)]))


def interpolate(grid, kernel):
    by_row, by_column = (
        matrix(cells, pixels, kernel) for cells, pixels in zip(GRID, SIZE, strict=True)
    )
    return np.einsum("yr,xc,rcd->yxd", by_row, by_column, grid)


@jax.jit
def read(features, slots, rows, columns):
    """Everything that the evidence says at the pixels, by kernel and by windows."""
    evidence = PatchUnits.of(features).evidence(slots, SLOTS)
    in_rows = evidence.in_rows(rows, rows)
    weights = rows.weights[:, None, :, None] * columns.weights[None, :, None, :]
    return {
        "cosines": in_rows.cosines(columns),
        "shares": in_rows.shares(columns),
        "window cosines": evidence.window_cosines(rows, columns, weights),
        "window shares": evidence.window_shares(rows, columns, weights),
    }


def axes(kernel):
    return [taps(c, p, kernel) for c, p in zip(GRID, SIZE, strict=True)]


@pytest.mark.parametrize(
    "kernel",
    [
        "bicubic",
        *(
            pytest.param(x, marks=pytest.mark.slow)
            for x in ("nearest", "bilinear", "gaussian")
        ),
    ],
)
def test_evidence_is_that_of_interpolated_and_normalised_features(kernel):
    found = read(grid_features(), grid_slots(), *axes(kernel))
    features = unit(interpolate(unit(grid_features().astype(np.float64)), kernel))
    cosines = features @ reference_prototypes().T
    shares = interpolate(np.eye(SLOTS)[grid_slots()], kernel)
    # Windows whose weights are products of those of rows and columns change nothing.
    for kind in ("", "window "):
        # Sums of 16 squares of weighted products, each with a few roundings.
        ours = found[kind + "cosines"]
        np.testing.assert_allclose(ours[..., :3], cosines, atol=100 * EPS)
        np.testing.assert_array_equal(ours[..., 3], 0)
        np.testing.assert_allclose(found[kind + "shares"], shares, atol=20 * EPS)
    np.testing.assert_allclose(found["shares"].sum(axis=-1), 1, atol=10 * EPS)


def test_prototypes_are_mean_directions_and_absent_ones_are_zero():
    features = grid_features().reshape(-1, 6)
    scaled = features * np.arange(1, 36, dtype=np.float32)[:, None]
    ours = leaf_prototypes(
        jnp.asarray(scaled), jnp.asarray(grid_slots().ravel()), SLOTS
    )
    np.testing.assert_allclose(ours[:3], reference_prototypes(), atol=20 * EPS)
    np.testing.assert_array_equal(ours[3], 0)


def test_without_locality_it_is_the_softmax_of_the_paper():
    rng = np.random.default_rng(2)
    cosines = rng.uniform(-1, 1, (3, 4, SLOTS)).astype(np.float32)
    shares = jnp.zeros((3, 4, SLOTS), jnp.float32)
    logits = leaf_logits(
        jnp.asarray(cosines), shares, jnp.int32(3), temperature=0.1, locality=0.0
    )
    ours = jax.nn.log_softmax(logits)
    exponents = np.exp(cosines[..., :3].astype(np.float64) / 0.1)
    theirs = exponents / exponents.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.exp(ours[..., :3]), theirs, rtol=100 * EPS)
    assert np.isfinite(ours).all()
    np.testing.assert_array_equal(np.exp(ours[..., 3]), 0)


def test_locality_multiplies_by_the_share():
    cosines = jnp.zeros((1, 1, 2), jnp.float32)
    shares = jnp.asarray([[[0.2, 0.8]]], jnp.float32)
    logits = leaf_logits(cosines, shares, jnp.int32(2), temperature=0.1, locality=2.0)
    ours = jax.nn.log_softmax(logits)
    prior = np.array([0.201, 0.801]) ** 2
    np.testing.assert_allclose(np.exp(ours[0, 0]), prior / prior.sum(), rtol=20 * EPS)


@functools.partial(jax.jit, static_argnums=2)
def joint(colors, cells, sigma):
    return joint_weights(*axes("gaussian"), colors, cells, color_sigma=sigma)


def test_joint_weights_are_a_gaussian_of_distance_and_colour():
    rng = np.random.default_rng(3)
    colors = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    cells = rng.integers(0, 256, (*GRID, 3)).astype(np.uint8)
    ours = np.asarray(joint(colors, cells, 60.0))
    rows, columns = (
        make_taps(c, p, kernel="gaussian") for c, p in zip(GRID, SIZE, strict=True)
    )
    for y, x in [(0, 0), (6, 4), (12, 8)]:
        r = np.clip(rows.first[y] + np.arange(4), 0, GRID[0] - 1)
        c = np.clip(columns.first[x] + np.arange(4), 0, GRID[1] - 1)
        near = rows.weights[y][:, None] * columns.weights[x][None, :]
        differences = cells[np.ix_(r, c)].astype(float) - colors[y, x]
        alike = np.exp(-(differences**2).sum(axis=-1) / (2 * 60.0**2))
        theirs = near * alike / (near * alike).sum()
        # Exponents of up to 27 in float32.
        np.testing.assert_allclose(ours[y, x], theirs, rtol=200 * EPS)


def test_joint_weights_sum_to_one_even_where_no_colour_is_alike():
    colors = np.zeros((*SIZE, 3), np.uint8)
    cells = np.full((*GRID, 3), 255, np.uint8)
    ours = joint(colors, cells, 1.0)
    np.testing.assert_allclose(np.sum(ours, axis=(2, 3)), 1, atol=20 * EPS)


def test_one_image_is_as_good_as_a_batch():
    features = np.stack([grid_features(), grid_features()[::-1]])
    slots = np.stack([grid_slots(), grid_slots()[::-1]])
    batched = jax.vmap(lambda f, s: read(f, s, *axes("bicubic")))(features, slots)
    for i in range(2):
        single = read(features[i], slots[i], *axes("bicubic"))
        for name, found in single.items():
            np.testing.assert_allclose(batched[name][i], found, atol=20 * EPS)


@pytest.mark.parity
def test_torch_interpolates_the_same_features():
    torch = pytest.importorskip("torch")
    units = unit(grid_features().astype(np.float64))
    features = torch.nn.functional.interpolate(
        torch.tensor(units).permute(2, 0, 1)[None],
        size=SIZE,
        mode="bicubic",
        align_corners=False,
    )[0].permute(1, 2, 0)
    theirs = unit(features.numpy()) @ reference_prototypes().T
    ours = read(grid_features(), grid_slots(), *axes("bicubic"))["cosines"]
    np.testing.assert_allclose(ours[..., :3], theirs, atol=100 * EPS)
