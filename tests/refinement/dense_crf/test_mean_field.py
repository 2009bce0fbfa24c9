"""Mean field against dense kernels in float64, and against pydensecrf."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from uhseg_jax.refinement import dense_crf
from uhseg_jax.refinement.dense_crf import PRESETS, DenseCRF, permutohedral
from uhseg_jax.refinement.label_columns import WIDTH
from uhseg_jax.refinement.pixel_grid import PixelGrid

SHAPE = (6, 7)
K = 3
CONFIG = DenseCRF(1.5, 2.0, 5.0, 20.0, 3.0, 3)


def _image(seed, shape=SHAPE):
    """Two areas of unlike colours, with noise; float32 from 0 to 255."""
    rng = np.random.default_rng(seed)
    areas = np.where(np.arange(shape[1])[None, :, None] < shape[1] // 2, 60, 160)
    return np.clip(areas + rng.normal(0, 12, (*shape, 3)), 0, 255).astype(np.float32)


def _unary(seed, k=K):
    scores = np.random.default_rng(seed).normal(0, 1, (*SHAPE, k))
    return (-np.log(scipy.special.softmax(scores, axis=-1))).astype(np.float32)


def _run(unary, image, config=CONFIG, mask=None):
    mask = np.ones(image.shape[:2], bool) if mask is None else mask
    arrays = (jnp.asarray(unary), jnp.asarray(image), config)
    return np.asarray(dense_crf.mean_field(*arrays, mask=jnp.asarray(mask)))


def _dense_mean_field(unary, kernels, iterations=CONFIG.iterations):
    """Algorithm 1 of the paper with kernels as matrices, in float64."""
    logits = -unary.reshape(-1, unary.shape[-1]).astype(np.float64)
    marginals = scipy.special.softmax(logits, axis=1)
    for _ in range(iterations):
        energies = logits
        for weight, kernel in kernels:
            scale = 1 / np.sqrt(kernel.sum(axis=1, keepdims=True))
            energies = energies + weight * scale * (kernel @ (scale * marginals))
        marginals = scipy.special.softmax(energies, axis=1)
    return marginals.reshape(unary.shape)


def _filtered_identity(points, low, high, mask):
    lattice = permutohedral.build_lattice(points, low, high, mask=mask)
    eye = jnp.eye(len(points), dtype=jnp.float32)
    return permutohedral.filter_values(lattice, eye)


def _lattice_matrix(points, mask):
    high = (10.0, 10.0, 15.0, 15.0, 15.0)[: points.shape[1]]
    low = (0.0,) * len(high)
    kernel = _filtered_identity(jnp.asarray(points), low, high, jnp.asarray(mask))
    return np.asarray(kernel, np.float64)


def _gaussian_matrix(points, mask):
    del mask
    points = points.astype(np.float64)
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    return np.exp(-squared / 2)


def _kernels(matrix_fn, image, mask=None):
    """Weights and matrices of both terms, over the pixels that there are."""
    there = np.ones(image[..., 0].size, bool) if mask is None else mask.ravel()
    y, x = (a.reshape(-1, 1) for a in np.indices(image.shape[:2], np.float32))
    place = np.concatenate([x, y], axis=1)
    colors = image.reshape(-1, 3) / CONFIG.bilateral_sigma_rgb
    points = [
        place / CONFIG.gaussian_sigma,
        np.concatenate([place / CONFIG.bilateral_sigma_xy, colors], axis=1),
    ]
    weights = CONFIG.gaussian_weight, CONFIG.bilateral_weight
    inner = np.ix_(there, there)
    return [
        (weight, matrix_fn(x.astype(np.float32), there)[inner])
        for weight, x in zip(weights, points, strict=True)
    ]


def test_steps_are_those_of_algorithm_1_on_the_lattices_kernels():
    image, unary = _image(0), _unary(1)
    found = _run(unary, image)
    expected = _dense_mean_field(unary, _kernels(_lattice_matrix, image))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-6)
    # Exact Gaussians are near: the rest is the lattice's, and pydensecrf's alike.
    expected = _dense_mean_field(unary, _kernels(_gaussian_matrix, image))
    assert np.abs(found - expected).mean() < 0.03
    assert (found.argmax(-1) == expected.argmax(-1)).mean() > 0.95


@pytest.mark.parametrize("level", [0.0, 128.0, 255.0])
def test_no_preference_stays_none_on_a_constant_image(level):
    unary = np.full((*SHAPE, K), np.log(K), np.float32)
    marginals = _run(unary, np.full((*SHAPE, 3), level, np.float32))
    np.testing.assert_allclose(marginals, 1 / K, atol=1e-6)


def test_grey_images_are_smoothed_within_their_areas():
    image = np.repeat(_image(4)[:, :, :1], 3, axis=2)
    unary = np.full((*SHAPE, K), 5.0, np.float32)
    unary[:, :3, 0] = unary[:, 3:, 1] = 4.0
    unary[2, 1] = unary[2, 5] = 4.5  # two pixels that cannot tell
    labels = _run(unary, image).argmax(axis=-1)
    assert (labels == np.where(np.arange(7) < 3, 0, 1)).all()


def test_labels_permute_with_their_unaries():
    image, unary = _image(5), _unary(6)
    order = [2, 0, 1]
    found = _run(unary[..., order], image)
    np.testing.assert_allclose(found, _run(unary, image)[..., order], atol=1e-6)


@pytest.mark.parametrize("absent", [1e9, np.inf])
def test_padded_labels_get_nothing_and_change_nothing(absent):
    image, unary = _image(7), _unary(8, k=2)
    padded = np.concatenate([unary, np.full((*SHAPE, 1), absent, np.float32)], axis=-1)
    found = _run(padded, image)
    assert (found[..., 2] == 0).all()
    expected = _dense_mean_field(unary, _kernels(_lattice_matrix, image))
    np.testing.assert_allclose(found[..., :2], expected, atol=1e-5)


def test_padded_pixels_have_no_influence():
    image, unary = _image(9), _unary(10)
    mask = np.zeros(SHAPE, bool)
    mask[:5, :4] = True
    there = mask[..., None]
    runs = [
        _run(np.where(there, unary, junk), np.where(there, image, color), mask=mask)
        for junk, color in np.float32([(0, 0), (np.nan, 200), (np.inf, 60)])
    ]
    for run in runs[1:]:
        np.testing.assert_array_equal(run, runs[0])
    assert (runs[0][~mask] == 0).all()
    expected = _dense_mean_field(unary[mask], _kernels(_lattice_matrix, image, mask))
    np.testing.assert_allclose(runs[0][mask], expected, atol=1e-5)


@pytest.mark.parametrize(
    "change", [{"gaussian_weight": 0.0, "bilateral_weight": 0.0}, {"iterations": 0}]
)
def test_without_messages_marginals_are_the_softmax(change):
    config = dataclasses.replace(CONFIG, **change)
    unary = _unary(11)
    expected = jax.jit(jax.nn.softmax)(-jnp.asarray(unary))
    found = _run(unary, _image(12), config)
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_one_pixel_and_one_label_are_certain():
    config = DenseCRF(gaussian_weight=0.0, iterations=1)
    unary = np.full((1, 1, 1), 2.0, np.float32)
    found = _run(unary, np.zeros((1, 1, 3), np.float32), config)
    np.testing.assert_array_equal(found, np.ones((1, 1, 1), np.float32))


def test_labels_beyond_the_columns_of_an_array_count_alike():
    image, unary = np.round(_image(13)), _unary(14, k=2 * WIDTH + 1)
    found = _run(unary, image)
    expected = _dense_mean_field(unary, _kernels(_lattice_matrix, image))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(_run(unary, image.astype(np.uint8)), found)


def test_the_refiner_is_mean_field_whatever_is_behind_the_pixels():
    image, unary = _image(15).astype(np.uint8), _unary(16, k=WIDTH)
    pixels = PixelGrid.of(image, 50)
    beyond = np.full((50 - 42, WIDTH), 7, np.float32)
    logits = np.concatenate([-unary.reshape(-1, WIDTH), beyond])
    (found,) = CONFIG([jnp.asarray(logits)], pixels)
    expected = _run(unary, image).reshape(-1, WIDTH)
    np.testing.assert_allclose(found[:42], expected, atol=1e-6)
    np.testing.assert_array_equal(found[42:], 0)


def _real_image(name, shape):
    from skimage import data, transform

    image = transform.resize(getattr(data, name)(), shape, anti_aliasing=True)
    return np.round(255 * image).astype(np.uint8)


def _coarse_unary(image, k):
    """Colour clusters of a coarse grid, blurred to the image's size."""
    rng = np.random.default_rng(k)
    shape = image.shape[:2]
    coarse = image[::4, ::4].astype(np.float32)
    centres = coarse.reshape(-1, 3)[rng.choice(coarse[..., 0].size, k, replace=False)]
    distances = np.linalg.norm(coarse[:, :, None] - centres, axis=-1)
    scores = -np.kron(distances, np.ones((4, 4, 1)))[: shape[0], : shape[1]] / 20
    scores += rng.normal(0, 0.3, scores.shape)
    return -np.log(scipy.special.softmax(scores, axis=-1) + 1e-6).astype(np.float32)


def _pydensecrf(unary, image, config):
    dcrf = pytest.importorskip("pydensecrf.densecrf")
    height, width, k = unary.shape
    crf = dcrf.DenseCRF2D(width, height, k)
    crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(-1, k).T))
    crf.addPairwiseGaussian(sxy=config.gaussian_sigma, compat=config.gaussian_weight)
    crf.addPairwiseBilateral(
        sxy=config.bilateral_sigma_xy,
        srgb=config.bilateral_sigma_rgb,
        rgbim=np.ascontiguousarray(image),
        compat=config.bilateral_weight,
    )
    return np.array(crf.inference(config.iterations)).T.reshape(unary.shape)


@pytest.mark.parity
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("name", "k"), [("astronaut", 5), ("coffee", 21)])
def test_marginals_are_pydensecrfs(preset, name, k):
    config = PRESETS[preset]
    image = _real_image(name, (48, 64))
    unary = np.full((48, 64, 21), np.inf, np.float32)  # 5 and 21 compile once
    unary[..., :k] = _coarse_unary(image, k)
    expected = _pydensecrf(unary[..., :k], image, config)
    found = _run(unary, image, config)[..., :k]
    assert (found.argmax(-1) == expected.argmax(-1)).mean() > 0.9995
    guarded = [np.maximum(x, 1e-12).astype(np.float64) for x in (found, expected)]
    divergence = scipy.special.rel_entr(*guarded).sum(axis=-1).mean()
    assert abs(divergence) < 1e-6
    assert np.abs(found - expected).mean() < 1e-5
