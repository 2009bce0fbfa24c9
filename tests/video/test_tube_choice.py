"""Which tubes are likely to be objects."""

import dataclasses

import numpy as np
import pytest
from trees import make_tree, random_tree

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.proposals import persistence
from uhseg_jax.video.tube_choice import ScoredTubes, own_motion, score_tubes

SHAPE = (4, 6, 8)


def clip_tree(seed=0):
    t, h, w = SHAPE
    tree = random_tree(seed, height=t * h, width=w, num_splits=6)
    return dataclasses.replace(tree, labels=tree.labels.reshape(SHAPE))


def masks_of(tree):
    above = host_cuts.ancestry(np.asarray(tree.parents))
    return [above[node][tree.labels] for node in range(int(tree.num_nodes))]


def on_the_sides(mask):
    """Sides of pixels in a frame's mask that lie on those of the image."""
    sides = np.diff(np.pad(mask, 1).astype(int), axis=0)[:, 1:-1]
    across = np.diff(np.pad(mask, 1).astype(int), axis=1)[1:-1]
    ends = sides[[0, -1]], across[:, [0, -1]]
    return sum(np.abs(x).sum() for x in ends)


def test_scores_are_persistence_times_size_apart_from_the_sides():
    tree = clip_tree()
    motion = np.random.default_rng(0).random((3, *SHAPE[1:])).astype(np.float32)
    plain, moving = score_tubes(tree).scores, score_tubes(tree, motion).scores
    persisting = persistence(np.asarray(tree.parents), np.asarray(tree.costs))
    assert plain[0] == 0
    for node, mask in enumerate(masks_of(tree)[1:], start=1):
        shares = mask.mean(axis=(1, 2))
        sides = np.array([on_the_sides(x) for x in mask])
        apart = np.exp(-(sides**2) / np.maximum(mask.sum(axis=(1, 2)), 1) / 2)
        expected = (2 * np.sqrt(shares * (1 - shares)) * apart).mean()
        assert plain[node] == pytest.approx(expected * persisting[node])
        within, beyond = motion[mask[:3]], motion[~mask[:3]]
        share = within.mean() if within.size else 0.0
        share = share / (share + beyond.mean())
        assert moving[node] == pytest.approx(plain[node] * share, rel=1e-5)


def test_the_best_tubes_do_not_overlap_and_come_in_the_order_of_their_scores():
    tree = clip_tree(3)
    found = score_tubes(tree)
    masks = masks_of(tree)
    for k in (1, 3, 99):
        best = found.best(k)
        assert 1 <= best.size <= k
        assert best[0] == found.scores.argmax()
        assert (np.diff(found.scores[best]) <= 0).all()
        assert sum(masks[node] for node in best).max() == 1
    # Whatever was left out lies in one that was taken, or around it.
    for node in set(range(1, len(masks))) - set(best.tolist()):
        assert found.scores[node] == 0 or any(
            (masks[node] & masks[x]).any() for x in best
        )


def test_what_is_there_for_half_of_the_clip_counts_half():
    labels = np.ones(SHAPE, np.int32)
    labels[:, 2:4, 2:4] = 2
    labels[:2, 2:4, 5:7] = 3
    tree = make_tree(labels, [-1, 0, 0, 0], [0, 1, 1, 1], [0, 0.1, 0.1, 0.1])
    scores = score_tubes(tree).scores
    assert scores[3] == pytest.approx(scores[2] / 2)
    assert score_tubes(tree).best(1).tolist() == [2]


def test_a_whole_that_is_alone_is_its_only_tube():
    tree = make_tree(np.zeros(SHAPE, np.int32), [-1], [0], [0.0])
    assert score_tubes(tree).best(20).tolist() == []
    assert ScoredTubes(np.array([-1]), np.array([0.5])).best(20).tolist() == [0]


def test_the_motion_of_the_camera_is_taken_off():
    rows, columns = np.mgrid[:40, :60].astype(np.float32)
    camera = np.stack([3 + 0.1 * columns - 0.05 * rows, 0.02 * columns - 2], axis=-1)
    flow = np.stack([camera, camera]).astype(np.float32)
    flow[:, 10:20, 20:35] += (6, -8)
    found = own_motion(flow)
    moving = np.zeros(found.shape, bool)
    moving[:, 10:20, 20:35] = True
    np.testing.assert_allclose(found[moving], 10, atol=0.05)
    np.testing.assert_allclose(found[~moving], 0, atol=0.05)
