"""Features as colours: principal components, whatever the length and the grid."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from uhseg_jax.features import pca_colors

FEATURES = np.random.default_rng(0).normal(size=(2, 9, 12, 7)).astype(np.float32)


def test_colors_are_the_components_that_scikit_learn_finds():
    unit = FEATURES[0] / np.linalg.norm(FEATURES[0], axis=-1, keepdims=True)
    components = PCA(3).fit_transform(unit.reshape(-1, 7))
    colors = pca_colors(FEATURES[0])
    assert colors.shape == (9, 12, 3)
    assert colors.dtype == np.uint8
    for channel, component in zip(colors.reshape(-1, 3).T, components.T, strict=True):
        low, high = np.percentile(component, (1, 99))
        expected = 255 * np.clip((component - low) / (high - low), 0, 1)
        errors = [np.abs(channel - x).max() for x in (expected, 255 - expected)]
        assert min(errors) < 0.51


def test_images_of_a_batch_share_their_colors():
    both = np.stack([FEATURES[0], FEATURES[0][::-1]])
    colors = pca_colors(both)
    np.testing.assert_array_equal(colors[1], colors[0][::-1])
    side_by_side = pca_colors(np.concatenate([*FEATURES], axis=1))
    apart = np.concatenate([*pca_colors(FEATURES)], axis=1)
    np.testing.assert_allclose(side_by_side, apart.astype(int), atol=1)


def test_length_does_not_count_and_what_does_not_vary_is_grey():
    lengths = np.random.default_rng(1).uniform(1, 9, FEATURES.shape[:-1])[..., None]
    scaled = pca_colors(FEATURES * lengths)
    np.testing.assert_allclose(scaled, pca_colors(FEATURES).astype(int), atol=1)
    assert (pca_colors(np.ones((3, 4, 5))) == 128).all()
    assert (pca_colors(FEATURES[0, ..., :2])[..., 2] == 128).all()


def test_what_is_no_grid_of_features_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"expected features \[h, w, d\]"):
        pca_colors(np.ones((4, 5)))
