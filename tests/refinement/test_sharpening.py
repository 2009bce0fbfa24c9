import jax
import jax.numpy as jnp
import numpy as np
import pytest
from uhseg_jax.refinement.sharpening import sharpen

from uhseg_jax.refinement import dense_crf, pamr
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.dense_crf import CRFConfig
from uhseg_jax.refinement.pamr import PamrConfig
from uhseg_jax.refinement.pixel_grid import PixelGrid

PAMR, CRF = PamrConfig(num_iterations=2), CRFConfig(iterations=1)


def problem():
    """Three labels and a slot without one, on an image smaller than a tile."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    points = PixelGrid.of(image, (4, 5), kernel="bilinear")
    logits = rng.normal(size=(64, 64, 4)).astype(np.float32)
    logits[..., 3] = -1e30
    return jax.nn.log_softmax(jnp.asarray(logits), axis=-1), points


def smoothed(log_p, points):
    return pamr.refine(jnp.exp(log_p), points.colors, PAMR, mask=points.inside)


def field(log_p, points):
    return dense_crf.mean_field(-log_p, points.colors, CRF, mask=points.inside)


def both(log_p, points):
    p = smoothed(log_p, points)
    floored = jnp.log(jnp.maximum(p, 1e-5)).at[..., 3].set(log_p[..., 3])
    return field(floored, points)


@pytest.mark.parametrize(
    ("refiner", "expected"), [("pamr", smoothed), ("crf", field), ("pamr_crf", both)]
)
def test_a_refiner_is_what_its_name_says(refiner, expected):
    log_p, points = problem()
    found = sharpen(log_p, points, 3, Refinement(refiner, pamr=PAMR, crf=CRF))
    inside = np.asarray(points.inside)
    wanted = np.asarray(expected(log_p, points))
    np.testing.assert_allclose(np.asarray(found)[inside], wanted[inside], atol=1e-6)
    assert (np.asarray(found)[inside][:, 3] == 0).all()


def test_the_three_refiners_differ():
    log_p, points = problem()
    found = [np.asarray(f(log_p, points))[:30, :40] for f in (smoothed, field, both)]
    for i in range(3):
        assert np.abs(found[i] - found[i - 1]).max() > 1e-2
