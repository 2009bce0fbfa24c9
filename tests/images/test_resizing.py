"""Images are resized to any size, or what cannot be is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uhseg_jax.images import ImageError, resize


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_resizing_keeps_constants(height, width, value):
    image = np.full((7, 5, 3), value, np.uint8)
    resized = resize(image, (height, width))
    assert resized.shape == (height, width, 3)
    assert (resized == value).all()


def test_strong_reduction_averages_and_nothing_is_refused():
    stripes = np.zeros((64, 640, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (abs(resize(stripes, (4, 10)).astype(int) - 100) <= 1).all()
    with pytest.raises(ImageError, match="at least 1"):
        resize(stripes[..., :3], (0, 5))
