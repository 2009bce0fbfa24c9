import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.refinement import pamr
from uhseg_jax.refinement.pamr import Pamr

CONFIG = Pamr(num_iterations=3, dilations=(1, 2))
EPS = np.finfo(np.float32).eps
SIZE, LABELS = (7, 9), 3


@functools.partial(jax.jit, static_argnames="config")
def _refine(probabilities, image, valid, *, config):
    return pamr.refine(probabilities, image, config, mask=valid)


def refined(probabilities, image, valid=None, config=CONFIG):
    valid = np.ones(image.shape[:2], bool) if valid is None else valid
    return np.asarray(_refine(probabilities, image, valid, config=config))


def scene(seed=0, size=SIZE, k=LABELS):
    """Random labels over an image of two noisy halves."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 40, (*size, 3))
    image[:, size[1] // 2 :] += 180
    probabilities = rng.dirichlet(np.ones(k), size).astype(np.float32)
    return probabilities, image.astype(np.uint8)


def loop_affinities(image, valid, config):
    """For every pixel a list of (neighbour, weight), in float64, by the formulas."""
    height, width = valid.shape
    weights = {}
    for y, x in np.argwhere(valid):
        center = image[y, x].astype(np.float64)
        found, colors = [], [center] * len(config.dilations)
        for d in config.dilations:
            for dy in (-d, 0, d):
                for dx in (-d, 0, d):
                    i, j = y + dy, x + dx
                    inside = 0 <= i < height and 0 <= j < width
                    if (dy, dx) != (0, 0) and inside and valid[i, j]:
                        found.append((i, j))
                        colors.append(image[i, j].astype(np.float64))
        if not found:
            continue
        deviation = np.std(colors, axis=0, ddof=1)
        logits = [
            -np.mean(
                [
                    abs(image[place][c] - center[c]) / (config.width * deviation[c])
                    for c in range(3)
                    if deviation[c] > 0
                ]
                + [0.0] * int((deviation == 0).sum())
            )
            for place in found
        ]
        shares = np.exp(np.array(logits) - max(logits))
        weights[y, x] = list(zip(found, shares / shares.sum(), strict=True))
    return weights


def loop_refine(probabilities, image, config, valid=None):
    valid = np.ones(image.shape[:2], bool) if valid is None else valid
    weights = loop_affinities(image, valid, config)
    current = probabilities.astype(np.float64)
    for _ in range(config.num_iterations):
        following = current.copy()
        for pixel, neighbours in weights.items():
            following[pixel] = sum(share * current[at] for at, share in neighbours)
        current = following
    return current


# Logits are a few tens, so weights are known to as many eps; there are 16 of them, and
# three iterations.
TOLERANCE = 300 * EPS


@pytest.mark.parametrize("case", ["whole", "masked", "one channel is constant"])
def test_refinement_follows_the_formulas(case):
    probabilities, image = scene()
    valid = np.ones(SIZE, bool)
    if case == "masked":
        valid = np.random.default_rng(2).random(SIZE) < 0.7
    elif case == "one channel is constant":
        image[..., 1] = 9
    found = refined(probabilities, image, valid)
    assert found.dtype == np.float32
    exact = loop_refine(probabilities, image, CONFIG, valid)
    np.testing.assert_allclose(found, exact, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(found[~valid], probabilities[~valid])
    np.testing.assert_allclose(found.sum(-1), 1, atol=32 * EPS)
    assert found.min() >= 0
    assert np.abs(exact - probabilities).max() > 0.3


def test_weights_sum_to_one_and_favour_neighbours_of_the_same_colour():
    _, image = scene(4)
    config = Pamr(dilations=(1,))
    valid = np.ones(image.shape[:2], bool).ravel()
    weights = pamr._affinities(
        image.reshape(-1, 3), valid, np.int32(SIZE[1]), config=config
    ).reshape(8, *SIZE)
    np.testing.assert_allclose(jnp.sum(weights, 0), 1, atol=8 * EPS)
    # Column 3 borders on the other half: what it takes from there is all but nothing.
    to_the_right = np.asarray(weights)[[2, 4, 7], :, SIZE[1] // 2 - 1]
    assert to_the_right.max() < 1e-4


def test_labels_stop_at_an_edge_of_the_image():
    image = np.zeros((8, 12, 3), np.uint8)
    image[:, 6:] = 200
    labels = np.zeros((8, 12, 2), np.float32)
    labels[:, :7, 0] = labels[:, 7:, 1] = 1  # one column too far
    found = refined(labels, image, config=Pamr(dilations=(1, 2, 4)))
    truth = np.arange(12)[None].repeat(8, 0) > 5
    np.testing.assert_array_equal(found.argmax(-1), truth)


def test_a_constant_image_gives_the_mean_of_the_neighbours():
    probabilities, _ = scene(5)
    image = np.full((*SIZE, 3), 77, np.uint8)
    found = refined(probabilities, image, config=Pamr(1, dilations=(2,)))
    steps = (-2, 0, 2)
    around = [(3 + y, 4 + x) for y in steps for x in steps if (y, x) != (0, 0)]
    mean = np.mean([probabilities[at] for at in around], axis=0)
    np.testing.assert_allclose(found[3, 4], mean, atol=8 * EPS)
    corner = np.mean([probabilities[at] for at in ((0, 2), (2, 0), (2, 2))], axis=0)
    np.testing.assert_allclose(found[0, 0], corner, atol=8 * EPS)


def test_a_batch_equals_its_images():
    batch = [np.stack(x) for x in zip(scene(8), scene(9), strict=True)]
    valid = np.ones((2, *SIZE), bool)
    found = jax.vmap(functools.partial(_refine, config=CONFIG))(*batch, valid)
    for one, seed in zip(found, (8, 9), strict=True):
        np.testing.assert_allclose(one, refined(*scene(seed)), atol=32 * EPS)


@pytest.mark.parametrize("filling", [0, np.nan], ids=["zeros", "nan"])
def test_padding_has_no_influence(filling):
    inner = (5, 6)
    probabilities, image = scene(10, size=inner)
    padding = [(0, a - b) for a, b in zip(SIZE, inner, strict=True)] + [(0, 0)]
    found = refined(
        np.pad(probabilities, padding, constant_values=filling),
        np.pad(image, padding, constant_values=200),
        np.pad(np.ones(inner, bool), padding[:2]),
    )
    exact = loop_refine(probabilities, image, CONFIG)
    np.testing.assert_allclose(found[:5, :6], exact, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(found[5:], np.float32(filling))


def test_the_order_of_the_labels_does_not_matter():
    probabilities, image = scene(11)
    order = np.array([2, 0, 1])
    permuted = refined(np.ascontiguousarray(probabilities[..., order]), image)
    expected = refined(probabilities, image)[..., order]
    np.testing.assert_allclose(permuted, expected, atol=4 * EPS)


def test_certainty_lone_pixels_and_no_iterations_change_nothing():
    probabilities, image = scene(12)
    certain = np.zeros((*SIZE, LABELS), np.float32)
    certain[..., 1] = 1
    np.testing.assert_allclose(refined(certain, image), certain, atol=32 * EPS)
    lone = np.arange(np.prod(SIZE)).reshape(SIZE) == 11
    np.testing.assert_array_equal(refined(probabilities, image, lone), probabilities)
    found = refined(probabilities, image, config=Pamr(num_iterations=0))
    np.testing.assert_array_equal(found, probabilities)


@pytest.mark.parity
def test_pixels_away_from_the_border_are_those_of_the_published_formulation():
    torch = pytest.importorskip("torch")
    config = Pamr(num_iterations=1, dilations=(1, 2))
    probabilities, image = scene(15, size=(9, 10))

    def windows(x):
        """``[channels, 9 * dilations, H, W]``, borders repeated."""
        channels, height, width = x.shape
        parts = []
        for d in config.dilations:
            around = torch.nn.functional.pad(x[None], [d] * 4, mode="replicate")
            unfolded = torch.nn.functional.unfold(around, 3, dilation=d)
            parts.append(unfolded.reshape(channels, 9, height, width))
        return torch.cat(parts, dim=1)

    others = [i for i in range(18) if i % 9 != 4]
    colors = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float64)) / 255
    around = windows(colors)
    deviation = around.std(dim=1, keepdim=True)
    distance = (around[:, others] - colors[:, None]).abs() / (1e-8 + 0.1 * deviation)
    shares = torch.softmax(-distance.mean(dim=0), dim=0)
    masks = torch.from_numpy(probabilities.transpose(2, 0, 1).astype(np.float64))
    expected = (windows(masks)[:, others] * shares).sum(dim=1).permute(1, 2, 0).numpy()

    found = refined(probabilities, image, config=config)
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-4)
