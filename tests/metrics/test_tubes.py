"""Scores of regions through time are those of their definitions, frame by frame."""

import dataclasses

import numpy as np
import pytest
from metric_oracles import all_candidates, first_nodes, iou, node_masks
from trees import clip_tree

from uhseg_jax.metrics.scales import NUM_REGIONS
from uhseg_jax.metrics.tube_covering import (
    TubeState,
    object_counts,
    score_clip,
    tube_nmcovering,
)
from uhseg_jax.metrics.tubes import changed_points, flicker, tubes_of

SHAPE = (4, 9, 11)


def _objects(seed):
    rng = np.random.default_rng(seed)
    objects = rng.integers(0, 3, (2, 3, 3)).repeat(2, 0).repeat(3, 1).repeat(4, 2)
    objects[rng.random(objects.shape) < 0.1] = -1
    return objects[:, :, : SHAPE[2]]


def test_objects_take_the_tube_that_overlaps_them_most():
    tree, objects = clip_tree(0, padding=2), _objects(0)
    found = score_clip(tree, objects)
    masks = node_masks(tree, objects >= 0)
    present = [x for x in (1, 2) if (objects == x).any()]

    def mean_of_best(nodes):
        best = [max(iou(masks[n], objects == x) for n in nodes) for x in present]
        return np.mean(best)

    assert found.nmcovering == pytest.approx(mean_of_best(all_candidates(tree)))
    counts = object_counts(tree, objects, 4)
    assert counts.shape == (int(tree.num_nodes), 5)
    assert tube_nmcovering(counts) == found.nmcovering
    for budget, at in zip(NUM_REGIONS, found.nmcovering_at, strict=True):
        assert at == pytest.approx(mean_of_best(first_nodes(tree, budget)))
    for node, best, x in zip(found.nodes, found.ious, present, strict=True):
        assert best == pytest.approx(iou(masks[node], objects == x))
    assert found.num_nodes == int(tree.num_nodes) - 1
    with pytest.raises(ValueError, match="same size"):
        score_clip(tree, objects[1:])


def test_clips_merge_in_any_order_and_those_without_objects_are_skipped():
    clips = [score_clip(clip_tree(i), _objects(i)) for i in range(3)]
    clips = [dataclasses.replace(x, changed=i, points=9) for i, x in enumerate(clips)]
    empty = score_clip(clip_tree(0, padding=2), np.zeros(SHAPE, int))
    assert empty.is_empty
    parts = [TubeState.empty().update(x) for x in (*clips, empty)]
    total = parts[3].merge(parts[1]).merge(parts[0].merge(parts[2])).compute()
    expected = np.mean([x.nmcovering for x in clips])
    assert total["tube_nmcovering"] == pytest.approx(expected, abs=1e-9)
    assert total["flicker"] == 3 / 27
    assert (total["clips"], total["skipped"]) == (3, 1)
    assert total["mean_nodes"] == np.mean([x.num_nodes for x in clips])
    row = clips[1].row()
    assert row["tube_nmcovering_at_8"] == clips[1].nmcovering_at[7]
    assert np.isnan(TubeState.empty().compute()["flicker"])


def test_tubes_tell_when_and_how_long_they_are_seen():
    labels = np.array([[[1, 1, 4]], [[1, 4, 4]], [[-1, 7, 7]], [[1, 7, 7]]])
    found = tubes_of(labels)
    assert found.ids.tolist() == [1, 4, 7]
    assert found.first.tolist() == [0, 0, 2]
    assert found.last.tolist() == [3, 1, 3]
    assert found.frames.tolist() == [3, 2, 2]
    assert found.lengths.tolist() == [4, 2, 2]
    assert found.areas.tolist() == [4, 3, 4]
    assert found.row() == {
        "tubes": 3,
        "tube_frames": pytest.approx(7 / 3),
        "tube_share": pytest.approx((3 * 4 + 2 * 3 + 2 * 4) / (4 * 11)),
    }


def _slow_flicker(labels, flows, valid, radius):
    """Point by point, with the nearest pixels looked up one at a time."""
    changed = points = 0
    height, width = labels.shape[1:]
    for t in range(len(labels) - 1):
        for row in range(height):
            for column in range(width):
                x, y = flows[t, row, column]
                if not valid[t, row, column] or not np.isfinite([x, y]).all():
                    continue
                r, c = round(row + float(np.rint(y))), round(column + float(np.rint(x)))
                if not (0 <= r < height and 0 <= c < width):
                    continue
                rows = slice(max(r - radius, 0), r + radius + 1)
                columns = slice(max(c - radius, 0), c + radius + 1)
                near = labels[t + 1, rows, columns]
                points += 1
                changed += labels[t, row, column] not in near
    return changed / points


def test_points_flicker_that_change_their_region_on_the_way():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, (3, 5, 6)).repeat(2, 1).repeat(2, 2)
    flows = rng.normal(0, 2, (2, 10, 12, 2)).astype(np.float32)
    flows[0, 0, 0] = np.nan
    valid = rng.random((2, 10, 12)) < 0.8
    for radius in (0, 1):
        found = flicker(labels, flows, valid, radius=radius)
        assert found == _slow_flicker(labels, flows, valid, radius)
    pairs = [changed_points(*labels[i : i + 2], flows[i], valid[i]) for i in (0, 1)]
    assert flicker(labels, flows, valid) == np.divide(*np.sum(pairs, axis=0))


def test_what_moves_with_its_motion_does_not_flicker():
    still = np.random.default_rng(1).integers(0, 5, (8, 20))
    labels = np.stack([np.roll(still, 3 * t, axis=1) for t in range(4)])
    flows = np.zeros((3, 8, 20, 2), np.float32)
    assert flicker(labels, flows, radius=0) > 0.5
    flows[..., 0] = 3  # those that leave the image do not count
    assert flicker(labels, flows, radius=0) == 0
    assert np.isnan(flicker(labels[:1], flows[:0]))
    with pytest.raises(ValueError, match="3 pairs of frames"):
        flicker(labels, flows[:2])
