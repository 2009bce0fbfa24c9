import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.refinement import pamr

CONFIG = pamr.PamrConfig(num_iterations=3, dilations=(1, 2))
EPS = np.finfo(np.float32).eps
SIZE, LABELS = (7, 9), 3


@functools.cache
def refine_fn(config=CONFIG):
    return jax.jit(functools.partial(pamr.refine, config=config))


def picture(seed=0, size=SIZE, k=LABELS):
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
        places, colors = [], [center] * len(config.dilations)
        for d in config.dilations:
            for dy in (-d, 0, d):
                for dx in (-d, 0, d):
                    i, j = y + dy, x + dx
                    inside = 0 <= i < height and 0 <= j < width
                    if (dy, dx) != (0, 0) and inside and valid[i, j]:
                        places.append((i, j))
                        colors.append(image[i, j].astype(np.float64))
        if not places:
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
            for place in places
        ]
        shares = np.exp(np.array(logits) - max(logits))
        weights[y, x] = list(zip(places, shares / shares.sum(), strict=True))
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


def test_refinement_follows_the_formulas():
    probabilities, image = picture()
    found = refine_fn()(probabilities, image)
    assert found.dtype == jnp.float32
    exact = loop_refine(probabilities, image, CONFIG)
    np.testing.assert_allclose(found, exact, rtol=0, atol=TOLERANCE)
    assert np.abs(exact - probabilities).max() > 0.3


def test_masked_refinement_follows_the_formulas():
    probabilities, image = picture(1)
    valid = np.random.default_rng(2).random(SIZE) < 0.7
    found = refine_fn()(probabilities, image, mask=valid)
    exact = loop_refine(probabilities, image, CONFIG, valid)
    np.testing.assert_allclose(found, exact, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(np.asarray(found)[~valid], probabilities[~valid])


def test_rows_sum_to_one():
    found = refine_fn()(*picture(3))
    np.testing.assert_allclose(jnp.sum(found, -1), 1, atol=32 * EPS)
    assert jnp.min(found) >= 0


def test_weights_sum_to_one_and_favour_neighbours_of_the_same_colour():
    _, image = picture(4)
    weights = pamr.affinities(
        jnp.asarray(image), jnp.ones(SIZE, dtype=bool), pamr.PamrConfig(dilations=(1,))
    )
    np.testing.assert_allclose(jnp.sum(weights, 0), 1, atol=8 * EPS)
    # Column 3 borders on the other half: what it takes from there is all but nothing.
    to_the_right = np.asarray(weights)[[2, 4, 7], :, SIZE[1] // 2 - 1]
    assert to_the_right.max() < 1e-4


def test_labels_stop_at_an_edge_of_the_image():
    image = np.zeros((8, 12, 3), np.uint8)
    image[:, 6:] = 200
    labels = np.zeros((8, 12, 2), np.float32)
    labels[:, :7, 0] = labels[:, 7:, 1] = 1  # one column too far
    found = np.asarray(
        refine_fn(pamr.PamrConfig(num_iterations=10, dilations=(1, 2, 4)))(
            labels, image
        )
    )
    np.testing.assert_array_equal(
        found.argmax(-1), np.arange(12)[None].repeat(8, 0) > 5
    )


def test_a_constant_image_gives_the_mean_of_the_neighbours():
    probabilities, _ = picture(5)
    image = np.full((*SIZE, 3), 77, np.uint8)
    found = refine_fn(pamr.PamrConfig(num_iterations=1, dilations=(2,)))(
        probabilities, image
    )
    steps = (-2, 0, 2)
    around = [(3 + y, 4 + x) for y in steps for x in steps if (y, x) != (0, 0)]
    mean = np.mean([probabilities[at] for at in around], axis=0)
    np.testing.assert_allclose(found[3, 4], mean, atol=8 * EPS)
    corner = np.mean([probabilities[at] for at in ((0, 2), (2, 0), (2, 2))], axis=0)
    np.testing.assert_allclose(found[0, 0], corner, atol=8 * EPS)


def test_a_channel_that_does_not_vary_says_nothing():
    probabilities, image = picture(6)
    image[..., 1] = 9
    found = refine_fn()(probabilities, image)
    exact = loop_refine(probabilities, image, CONFIG)
    np.testing.assert_allclose(found, exact, rtol=0, atol=TOLERANCE)


def test_jit_equals_eager():
    probabilities, image = picture(7)
    eager = pamr.refine(jnp.asarray(probabilities), jnp.asarray(image), CONFIG)
    jitted = refine_fn()(probabilities, image)
    np.testing.assert_allclose(eager, jitted, atol=TOLERANCE)


def test_a_batch_equals_its_images():
    images = [picture(seed) for seed in (8, 9)]
    batch = jax.vmap(refine_fn())(*map(np.stack, zip(*images, strict=True)))
    for found, one in zip(batch, images, strict=True):
        np.testing.assert_allclose(found, refine_fn()(*one), atol=32 * EPS)


@pytest.mark.parametrize("filling", [0, np.nan], ids=["zeros", "nan"])
def test_padding_has_no_influence(filling):
    probabilities, image = picture(10)
    alone = refine_fn()(probabilities, image)
    margin = ((0, 3), (0, 2), (0, 0))
    found = refine_fn()(
        np.pad(probabilities, margin, constant_values=filling),
        np.pad(image, margin, constant_values=200),
        mask=np.pad(np.ones(SIZE, bool), margin[:2]),
    )
    np.testing.assert_allclose(found[: SIZE[0], : SIZE[1]], alone, atol=32 * EPS)
    np.testing.assert_array_equal(found[SIZE[0] :], np.float32(filling))


def test_the_order_of_the_labels_does_not_matter():
    probabilities, image = picture(11)
    order = np.array([2, 0, 1])
    np.testing.assert_allclose(
        refine_fn()(probabilities[..., order], image),
        np.asarray(refine_fn()(probabilities, image))[..., order],
        atol=4 * EPS,
    )


def test_a_single_label_stays():
    _, image = picture(12)
    found = refine_fn()(np.ones((*SIZE, 1), np.float32), image)
    np.testing.assert_allclose(found, 1, atol=32 * EPS)


def test_a_single_pixel_stays():
    probabilities, image = picture(13, size=(1, 1))
    np.testing.assert_array_equal(refine_fn()(probabilities, image), probabilities)


def test_no_iterations_change_nothing():
    probabilities, image = picture(14)
    found = refine_fn(pamr.PamrConfig(num_iterations=0))(probabilities, image)
    np.testing.assert_array_equal(found, probabilities)


@pytest.mark.parity
def test_pixels_away_from_the_border_are_those_of_the_published_formulation():
    torch = pytest.importorskip("torch")
    config = pamr.PamrConfig(num_iterations=1, dilations=(1, 2))
    probabilities, image = picture(15, size=(9, 10))

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

    found = np.asarray(refine_fn(config)(probabilities, image))
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_iterations": -1}, "num_iterations must be a whole number of at least 0"),
        ({"dilations": ()}, "dilations must be a tuple of one or more whole numbers"),
        ({"dilations": (1, 0)}, "dilations must be at most 16 distances of at least 1"),
        ({"dilations": (1,) * 17}, "dilations must be at most 16 distances"),
        ({"width": 0.0}, "width must be a number above 0"),
    ],
)
def test_wrong_constants_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        pamr.PamrConfig(**fields)
