import jax
import jax.numpy as jnp
import numpy as np
import pytest
from uhseg_jax.refinement.joint import joint_weights
from uhseg_jax.refinement.prototypes import (
    LeafEvidence,
    leaf_prototypes,
    log_probabilities,
)

from uhseg_jax.interpolation import Taps, make_taps

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
def found_cosines(features, slots, rows, columns):
    return LeafEvidence.from_features(features, slots, SLOTS).cosines(rows, columns)


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic", "gaussian"])
def test_cosines_are_those_of_interpolated_and_normalised_features(kernel):
    axes = [taps(c, p, kernel) for c, p in zip(GRID, SIZE, strict=True)]
    ours = found_cosines(grid_features(), grid_slots(), *axes)
    features = unit(interpolate(unit(grid_features().astype(np.float64)), kernel))
    theirs = features @ reference_prototypes().T
    # Sums of 16 squares of weighted products, each with a few roundings.
    np.testing.assert_allclose(ours[..., :3], theirs, atol=100 * EPS)
    np.testing.assert_array_equal(ours[..., 3], 0)


def test_prototypes_are_mean_directions_and_absent_ones_are_zero():
    features = grid_features().reshape(-1, 6)
    scaled = features * np.arange(1, 36, dtype=np.float32)[:, None]
    ours = leaf_prototypes(
        jnp.asarray(scaled), jnp.asarray(grid_slots().ravel()), SLOTS
    )
    np.testing.assert_allclose(ours[:3], reference_prototypes(), atol=20 * EPS)
    np.testing.assert_array_equal(ours[3], 0)


def test_shares_sum_to_one_over_the_leaves():
    evidence = LeafEvidence.from_features(
        jnp.asarray(grid_features()), jnp.asarray(grid_slots()), SLOTS
    )
    axes = [taps(c, p, "bilinear") for c, p in zip(GRID, SIZE, strict=True)]
    shares = np.asarray(evidence.shares(*axes))
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=10 * EPS)
    members = np.eye(SLOTS)[grid_slots()]
    np.testing.assert_allclose(shares, interpolate(members, "bilinear"), atol=10 * EPS)


def test_weights_of_windows_that_are_products_change_nothing():
    evidence = LeafEvidence.from_features(
        jnp.asarray(grid_features()), jnp.asarray(grid_slots()), SLOTS
    )
    rows, columns = (taps(c, p, "gaussian") for c, p in zip(GRID, SIZE, strict=True))
    weights = rows.weights[:, None, :, None] * columns.weights[None, :, None, :]
    np.testing.assert_allclose(
        evidence.window_cosines(rows, columns, weights),
        evidence.cosines(rows, columns),
        atol=100 * EPS,
    )
    np.testing.assert_allclose(
        evidence.window_shares(rows, columns, weights),
        evidence.shares(rows, columns),
        atol=20 * EPS,
    )


def test_without_locality_it_is_the_softmax_of_the_paper():
    rng = np.random.default_rng(2)
    cosines = rng.uniform(-1, 1, (3, 4, SLOTS)).astype(np.float32)
    shares = jnp.zeros((3, 4, SLOTS), jnp.float32)
    ours = log_probabilities(
        jnp.asarray(cosines), shares, jnp.int32(3), temperature=0.1, locality=0.0
    )
    exponents = np.exp(cosines[..., :3].astype(np.float64) / 0.1)
    theirs = exponents / exponents.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.exp(ours[..., :3]), theirs, rtol=100 * EPS)
    assert np.isfinite(ours).all()
    np.testing.assert_array_equal(np.exp(ours[..., 3]), 0)


def test_locality_multiplies_by_the_share():
    cosines = jnp.zeros((1, 1, 2), jnp.float32)
    shares = jnp.asarray([[[0.2, 0.8]]], jnp.float32)
    ours = log_probabilities(
        cosines, shares, jnp.int32(2), temperature=0.1, locality=2.0
    )
    prior = np.array([0.201, 0.801]) ** 2
    np.testing.assert_allclose(np.exp(ours[0, 0]), prior / prior.sum(), rtol=20 * EPS)


def joint(colors, cells, *, sigma):
    rows, columns = (taps(c, p, "gaussian") for c, p in zip(GRID, SIZE, strict=True))
    return joint_weights(
        rows, columns, jnp.asarray(colors), jnp.asarray(cells), color_sigma=sigma
    )


def test_joint_weights_are_a_gaussian_of_distance_and_colour():
    rng = np.random.default_rng(3)
    colors = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    cells = rng.integers(0, 256, (*GRID, 3)).astype(np.uint8)
    ours = np.asarray(joint(colors, cells, sigma=60.0))
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
    ours = joint(colors, cells, sigma=1.0)
    np.testing.assert_allclose(np.sum(ours, axis=(2, 3)), 1, atol=20 * EPS)


def test_one_image_is_as_good_as_a_batch():
    axes = [taps(c, p, "bicubic") for c, p in zip(GRID, SIZE, strict=True)]
    features = np.stack([grid_features(), grid_features()[::-1]])
    slots = np.stack([grid_slots(), grid_slots()[::-1]])
    batched = jax.vmap(lambda f, s: found_cosines(f, s, *axes))(features, slots)
    for i in range(2):
        single = found_cosines(features[i], slots[i], *axes)
        np.testing.assert_allclose(batched[i], single, atol=20 * EPS)
    eager = LeafEvidence.from_features(
        jnp.asarray(features[0]), jnp.asarray(slots[0]), SLOTS
    ).cosines(*axes)
    np.testing.assert_allclose(batched[0], eager, atol=20 * EPS)


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
    axes = [taps(c, p, "bicubic") for c, p in zip(GRID, SIZE, strict=True)]
    ours = found_cosines(grid_features(), grid_slots(), *axes)
    np.testing.assert_allclose(ours[..., :3], theirs, atol=100 * EPS)
