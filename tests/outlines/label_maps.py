"""Label maps for tests of outlines."""

import numpy as np
from hypothesis import strategies as st
from scipy import ndimage


@st.composite
def label_maps(draw, max_side: int = 16):
    """Noise, or smooth regions with small components; some pixels in no region."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(rng.integers(1, max_side + 1, 2))
    count = rng.integers(1, 5)
    smooth = ndimage.gaussian_filter(
        rng.normal(size=(count, *shape)), (0, *[rng.choice([0.0, 1.0, 3.0])] * 2)
    ).argmax(0)
    small = rng.random(shape) < rng.choice([0.0, 0.05])
    labels = np.where(small, rng.integers(0, count, shape), smooth)
    labels[rng.random(shape) < rng.choice([0.0, 0.1])] = -1
    numbers = np.unique(labels)
    return (np.searchsorted(numbers, labels) - (numbers[0] < 0)).astype(np.int32)
