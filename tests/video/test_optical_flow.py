"""Optical flow of frames that move as a whole."""

import numpy as np
import pytest

from uhseg_jax.video.flow import consistent, flow_between, flows_of

pytest.importorskip("cv2", reason="no OpenCV: pip install '.[readers]'")
pytestmark = pytest.mark.readers
STEP = (3, 2)  # to the right, downwards


def views(count=2, size=(60, 72)):
    """Windows of one smooth image, each a step further to the left and up."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (14, 16, 3))
    rows = np.linspace(0, 12.99, 100)
    columns = np.linspace(0, 14.99, 110)
    low_r, low_c = rows.astype(int), columns.astype(int)
    fr, fc = (rows - low_r)[:, None, None], (columns - low_c)[:, None]
    upper = coarse[low_r][:, low_c] * (1 - fc) + coarse[low_r][:, low_c + 1] * fc
    lower = (
        coarse[low_r + 1][:, low_c] * (1 - fc) + coarse[low_r + 1][:, low_c + 1] * fc
    )
    whole = (upper * (1 - fr) + lower * fr).astype(np.uint8)
    starts = [(20 - i * STEP[1], 20 - i * STEP[0]) for i in range(count)]
    return [whole[r : r + size[0], c : c + size[1]] for r, c in starts]


@pytest.mark.readers
def test_the_flow_of_a_moving_view_is_its_step():
    for flow, valid in flows_of(views(3)):
        inner = flow[10:-10, 10:-10]
        np.testing.assert_allclose(np.median(inner, axis=(0, 1)), STEP, atol=0.2)
        assert valid[10:-10, 10:-10].mean() > 0.95
        assert not valid[:, -2:].any()  # what leaves the view


@pytest.mark.readers
@pytest.mark.parametrize("size", [(5, 7), (8, 40), (33, 21)])
def test_frames_of_any_size_have_a_flow(size):
    one = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    assert np.abs(flow_between(one, one)).max() < 0.1


def test_points_are_consistent_that_come_back_and_stay_inside():
    there = np.zeros((4, 6, 2), np.float32)
    there[..., 0] = 2
    back = -there
    np.testing.assert_array_equal(consistent(there, back)[:, :4], True)
    np.testing.assert_array_equal(consistent(there, back)[:, 4:], False)
    back[1, 3] = 0  # of what is there now: another point
    assert not consistent(there, back)[1, 1]
