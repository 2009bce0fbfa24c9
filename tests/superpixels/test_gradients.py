import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

from uhseg_jax.superpixels.gradients import (
    gradient_magnitude,
    lab_planes,
    local_contrast,
)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def test_lab_is_that_of_scikit_image(image):
    image[0, :52] = np.arange(0, 256, 5)[:, None]  # greys, the darkest ones included
    image[1, :2] = [[0, 0, 0], [255, 255, 255]]
    ours = lab_planes(image)
    assert ours.dtype == np.float32
    # 500 (x - y) of two numbers of order one, in float32.
    np.testing.assert_allclose(ours, rgb2lab(image).transpose(2, 0, 1), atol=3e-4)


def test_the_gradient_of_a_ramp_is_its_slope():
    y, x = np.mgrid[:40, :60].astype(np.float32)
    planes = np.stack([3 * x, 2 * y, 6 * x + y])
    slope = np.sqrt(9 + 4 + 36 + 1)
    inside = gradient_magnitude(planes, 1.5)[10:-10, 10:-10]
    np.testing.assert_allclose(inside, slope, rtol=2e-3)  # of sampling the Gaussian


def test_the_gradient_is_the_sum_of_squared_gaussian_derivatives(image):
    planes = lab_planes(image).astype(np.float64)
    squares = sum(
        gaussian_filter(plane, 1.0, order=order) ** 2
        for plane in planes
        for order in ((1, 0), (0, 1))
    )
    wanted = np.sqrt(squares)
    np.testing.assert_allclose(gradient_magnitude(planes, 1.0), wanted, rtol=1e-12)
    single = gradient_magnitude(planes.astype(np.float32), 1.0)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, wanted, atol=1e-5 * wanted.max())


@pytest.mark.parametrize("turn", [lambda x: x[..., ::-1], np.rot90])
def test_gradients_and_contrasts_turn_with_the_image(image, turn):
    planes = lab_planes(image)
    turned = np.stack([turn(plane) for plane in planes])
    for measure in (lambda x: x, local_contrast):
        ours = measure(gradient_magnitude(turned, 1.0))
        theirs = turn(measure(gradient_magnitude(planes, 1.0)))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_nothing_changes_in_a_constant_image():
    planes = lab_planes(np.full((9, 7, 3), (200, 30, 90), np.uint8))
    gradient = gradient_magnitude(planes, 1.5)
    assert not gradient.any()
    assert not local_contrast(gradient).any()


def test_an_edge_of_its_own_has_more_contrast_than_one_within_texture():
    def contrast(planes):
        return local_contrast(gradient_magnitude(planes, 1.0))[20, 28:32].max()

    edge = np.zeros((1, 40, 60), np.float32)
    edge[:, :, 30:] = 60.0
    texture = np.where(np.arange(60) // 2 % 2, 60.0, 0.0).astype(np.float32)
    assert contrast(edge) > 4
    assert contrast(np.tile(texture, (1, 40, 1))) <= 2
