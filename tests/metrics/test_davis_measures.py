"""J and F of DAVIS are those of their definitions, computed mask by mask."""

import numpy as np
import pytest
from metric_oracles import node_masks
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from trees import clip_tree

from uhseg_jax.metrics.davis import (
    INNER_FRAMES,
    DavisState,
    best_node,
    decay,
    match_proposals,
    node_similarities,
    score_masks,
    score_regions,
)

FRAMES, HEIGHT, WIDTH = 5, 20, 26


def _blobs(seed, count, *, frames=FRAMES, shape=(HEIGHT, WIDTH)):
    """Smooth regions from 1 to ``count`` on a ground of 0."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count + 1, frames, *shape))
    return ndimage.gaussian_filter(noise, (0, 1, 3, 3)).argmax(0)


def _j(mask, truth, void):
    mask, truth = mask & ~void, truth & ~void
    union = (mask | truth).sum()
    return (mask & truth).sum() / union if union else 1.0


def _contour(mask):
    """Pixel by pixel: it differs from the one to its right, below, or below that."""
    height, width = mask.shape
    found = np.zeros(mask.shape, bool)
    for row in range(height):
        for column in range(width):
            for down, right in ((0, 1), (1, 0), (1, 1)):
                # Outside the image lies what lies at its frame.
                r, c = min(row + down, height - 1), min(column + right, width - 1)
                found[row, column] |= mask[r, c] != mask[row, column]
    return found


def _f(mask, truth, void):
    one, other = _contour(mask & ~void), _contour(truth & ~void)
    radius = int(np.ceil(0.008 * np.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)))
    down, right = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = down**2 + right**2 <= radius**2
    if not one.any() or not other.any():
        return float(not one.any() and not other.any())
    precision = (one & ndimage.binary_dilation(other, disc)).sum() / one.sum()
    recall = (other & ndimage.binary_dilation(one, disc)).sum() / other.sum()
    return 2 * precision * recall / max(precision + recall, 1e-300)


def test_every_region_and_object_score_as_their_masks_do():
    regions, objects = _blobs(0, 4), _blobs(1, 2)
    regions[2][regions[2] == 3] = 0  # one that is gone in a frame
    objects[3] = 0
    objects[1, :5, :7] = -1
    j, f = score_regions(regions, objects)
    assert j.shape == f.shape == (4, 2, FRAMES)
    for region, one, t in np.ndindex(j.shape):
        masks = regions[t] == region + 1, objects[t] == one + 1, objects[t] < 0
        assert j[region, one, t] == pytest.approx(_j(*masks), abs=1e-12)
        assert f[region, one, t] == pytest.approx(_f(*masks), abs=1e-12)


def test_contours_are_matched_within_the_tolerance_and_not_beyond():
    # A diagonal of 1000 pixels, of which 0.8 % are 8.
    truth = np.zeros((1, 600, 800), bool)
    truth[:, 100:300, 100:300] = True
    for shift, is_near in ((8, True), (9, False)):
        moved = np.roll(truth, shift, axis=2)
        found = score_masks(moved, truth, frames=slice(None)).f[0, 0]
        # The upper and lower sides are on each other but for the shift.
        assert (found == 1.0) == is_near
        assert found > 0.5


def test_where_nothing_is_shown_nothing_is_wrong():
    nothing = np.zeros((3, 8, 9), bool)
    something = nothing.copy()
    something[:, 2:5, 2:6] = True
    whole = slice(None)
    for one, other, expected in (
        (nothing, nothing, 1),
        (something, nothing, 0),
        (nothing, something, 0),
        (something, something, 1),
    ):
        found = score_masks(one, other, frames=whole)
        np.testing.assert_array_equal(found.j, expected)
        np.testing.assert_array_equal(found.f, expected)


def test_the_first_and_last_frame_of_davis_2016_do_not_count():
    masks, truth = _blobs(0, 1) > 0, _blobs(1, 1) > 0
    found, whole = (
        score_masks(masks, truth),
        score_masks(masks[1:-1], truth[1:-1], frames=slice(None)),
    )
    np.testing.assert_array_equal(found.j, whole.j)
    np.testing.assert_array_equal(found.f, whole.f)
    with pytest.raises(ValueError, match="at least 3 frames"):
        score_masks(masks[:2], truth[:2])
    with pytest.raises(ValueError, match="same size"):
        score_masks(masks[:, 1:], truth)


def test_decay_is_that_of_the_first_and_the_last_quarter():
    # Matlab's round(linspace(1, 9, 5)) and of 1 to 10: frames 1 3 5 7 9, 1 3 6 8 10.
    nine, ten = np.arange(9.0), np.arange(10.0)
    assert decay(nine) == np.mean([0, 1, 2]) - np.mean([6, 7, 8])
    assert decay(ten) == np.mean([0, 1, 2]) - np.mean([7, 8, 9])
    assert decay(np.ones((3, 1))).tolist() == [0, 0, 0]
    assert decay(np.arange(300.0)) == pytest.approx(-224.5, abs=1)  # beyond a byte


def test_objects_take_the_proposals_that_are_best_for_all_of_them():
    proposals, objects = _blobs(3, 5), _blobs(4, 3)
    found = match_proposals(proposals, objects)
    void = np.zeros((HEIGHT, WIDTH), bool)
    score = np.zeros((5, 3))
    for p, k in np.ndindex(score.shape):
        for t in range(FRAMES):
            masks = proposals[t] == p + 1, objects[t] == k + 1, void
            score[p, k] += (_j(*masks) + _f(*masks)) / 2
    best = score[linear_sum_assignment(-score)].sum()
    assert (found.j + found.f).sum() / 2 == pytest.approx(best, abs=1e-9)
    j, f = score_regions(proposals, objects)
    np.testing.assert_array_equal(found.j, j[found.regions - 1, [0, 1, 2]])
    np.testing.assert_array_equal(found.f, f[found.regions - 1, [0, 1, 2]])


def test_objects_without_a_proposal_get_masks_that_show_nothing():
    objects = _blobs(4, 3)
    found = match_proposals((objects == 2).astype(int), objects)
    assert found.j[1].tolist() == [1] * FRAMES
    assert found.regions[1] == 1
    np.testing.assert_array_equal(found.j[[0, 2]], 0)
    with pytest.raises(ValueError, match="from 1 to 20"):
        match_proposals(np.full_like(objects, 21), objects)


def test_nodes_score_as_their_masks_do():
    tree = clip_tree(0, height=12, width=10, padding=3)
    objects = _blobs(5, 2, frames=4, shape=(12, 10))
    objects[1, :2] = -1
    found = node_similarities(tree, objects)
    masks = node_masks(tree, np.ones(objects.shape, bool))
    assert found.shape == (len(masks), 2, 4)
    for node, one, t in np.ndindex(found.shape):
        expected = _j(masks[node, t], objects[t] == one + 1, objects[t] < 0)
        assert found[node, one, t] == pytest.approx(expected, abs=1e-12)
    truth = objects == 1
    best = best_node(tree, truth)
    void = np.zeros((12, 10), bool)
    means = [np.mean([_j(x[t], truth[t], void) for t in (1, 2)]) for x in masks]
    assert best == 1 + np.argmax(means[1:])
    with pytest.raises(ValueError, match="show none"):
        best_node(tree, np.zeros_like(truth))


def test_a_set_scores_as_the_mean_over_its_objects_in_any_order():
    clips = [match_proposals(_blobs(i, 4), _blobs(9 - i, 1 + i)) for i in range(3)]
    state = DavisState.empty()
    for clip in clips:
        state = state.update(clip)
    found = state.compute()
    j = np.concatenate([x.j.mean(1) for x in clips])
    f = np.concatenate([x.f for x in clips])
    assert found["j_mean"] == pytest.approx(j.mean(), abs=1e-9)
    assert found["f_recall"] == pytest.approx((f > 0.5).mean(), abs=1e-9)
    assert found["f_decay"] == pytest.approx(decay(f).mean(), abs=1e-9)
    assert found["jf_mean"] == pytest.approx((j.mean() + f.mean()) / 2, abs=1e-9)
    assert (found["objects"], found["clips"]) == (6, 3)
    halves = [DavisState.empty().update(x) for x in clips[::-1]]
    assert halves[0].merge(halves[2]).merge(halves[1]).compute() == found
    assert np.isnan(DavisState.empty().compute()["j_mean"])
    assert clips[0].row()["j_mean"] == pytest.approx(clips[0].j.mean())


@pytest.mark.readers
def test_contours_are_those_of_dilation_by_opencv():
    cv2 = pytest.importorskip("cv2")
    masks, truth = (_blobs(i, 1, shape=(90, 120)) > 0 for i in (6, 7))
    found = score_masks(masks, truth).f[0]
    disc = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2  # 0.008 of a diagonal of 150
    for t, (mask, other) in enumerate(zip(masks, truth, strict=True)):
        one, two = _contour(mask).astype(np.uint8), _contour(other).astype(np.uint8)
        wide = [cv2.dilate(x, disc.astype(np.uint8)) for x in (one, two)]
        precision, recall = (
            (one & wide[1]).sum() / one.sum(),
            (two & wide[0]).sum() / two.sum(),
        )
        expected = 2 * precision * recall / (precision + recall)
        if t in range(FRAMES)[INNER_FRAMES]:
            assert found[t - 1] == pytest.approx(expected, abs=1e-12)
