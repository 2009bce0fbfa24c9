"""The page on which somebody points at a patch and sees what it is joined to."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from browser import chromium

from uhseg_jax.export.affinity_page import show_affinity
from uhseg_jax.spectral.affinity import CosineAffinity

IMAGE = np.full((60, 80, 3), 120, np.uint8)
FEATURES = np.random.default_rng(0).normal(1, 1, (5, 7, 24)).astype(np.float32)


@pytest.mark.browser
def test_the_page_draws_the_edges_of_the_patch_under_the_pointer(tmp_path):
    show_affinity(FEATURES, IMAGE, patch=(1, 2)).save(tmp_path / "page.html")
    graph = CosineAffinity.from_features(jnp.asarray(FEATURES.reshape(35, 24)))
    weights = np.asarray(graph.matmat(jnp.eye(35)))
    for driver in chromium(tmp_path / "profile"):
        driver.get((tmp_path / "page.html").as_uri())
        shown = functools.partial(driver.execute_script, "return [patch, stays]")
        assert shown() == [9, False]
        for patch in (0, 9, 34):
            found = driver.execute_script("return [...affinity(arguments[0])]", patch)
            expected = np.where(np.arange(35) == patch, 1, weights[patch])
            np.testing.assert_allclose(found, expected, atol=0.02)

        canvas = driver.find_element("css selector", "canvas")
        canvas.click()  # in the middle
        assert shown() == [2 * 7 + 3, True]
        panel = driver.find_element("css selector", ".panel")
        panel.send_keys("\ue014\ue015")  # to the right and down
        assert shown() == [3 * 7 + 4, True]
        assert "Row 3, column 4" in driver.find_element("css selector", "output").text
        assert driver.get_log("browser") == []


def test_features_that_are_all_alike_and_patches_that_are_none():
    page = show_affinity(np.ones((2, 3, 4), np.float32), IMAGE).page
    assert '"farthest": 0.0' in page
    assert '"start": 4' in page
    assert "{{" not in page
    with pytest.raises(ValueError, match="expected a patch of the 5 x 7"):
        show_affinity(FEATURES, IMAGE, patch=(5, 0))
