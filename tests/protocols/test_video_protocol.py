"""Clips scored by their regions through time."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_runs import photographs_with_masks
from trees import random_tree

from uhseg_jax.backbones import PatchRequest
from uhseg_jax.datasets import ClipExample, DatasetError, FolderSource, load
from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.methods import diffusion_walk, region_merging
from uhseg_jax.metrics import states
from uhseg_jax.metrics.davis import score_masks
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.protocols import Scorer, Scoring
from uhseg_jax.protocols.tube_sets import FoundClip, LinkedTubes, TreeTubes
from uhseg_jax.protocols.video import VideoScorer
from uhseg_jax.runs.evaluate import evaluate
from uhseg_jax.superpixels import SuperpixelConfig
from uhseg_jax.video.greedy import linked_trees

SHAPE = (4, 9, 12)
CONFIG = region_merging.Config(
    request=PatchRequest(grid=4, blocks=(-1,)),
    superpixels=SuperpixelConfig(count=40),
    color_weight=30.0,  # the tiny backbone knows nothing
    max_ncut=0.0,
    max_regions=12,
)


def clip_tree(seed):
    t, h, w = SHAPE
    tree = random_tree(seed, height=t * h, width=w, num_splits=7)
    return dataclasses.replace(tree, labels=tree.labels.reshape(SHAPE))


def tree_tubes(seed=0):
    return TreeTubes(clip_tree(seed))


def linked_tubes():
    trees = [random_tree(i, height=9, width=12, num_splits=5) for i in range(4)]
    return LinkedTubes(tuple(trees), tuple(linked_trees(trees)))


def masks_of(tubes):
    """The pixels of every tube, node by node and frame by frame."""
    if isinstance(tubes, TreeTubes):
        above = host_cuts.ancestry(np.asarray(tubes.tree.parents))
        return [row[tubes.tree.labels] for row in above]
    masks = np.zeros((tubes.count, *SHAPE), bool)
    for i, (tree, links) in enumerate(zip(tubes.trees, tubes.tubes, strict=True)):
        above = host_cuts.ancestry(np.asarray(tree.parents))
        for node, tube in enumerate(links):
            masks[tube, i] |= above[node][tree.labels]
    return list(masks)


def example(objects, name="clip"):
    shown = objects[len(objects) // 2]
    return ClipExample(
        name,
        np.zeros((*shown.shape, 3), np.uint8),
        np.maximum(shown, 0).astype(np.uint8),
        frames=(Path(),) * len(objects),
        objects_through_time=objects.astype(np.int16),
    )


def found(tubes):
    tree = random_tree(0, height=9, width=12, num_splits=5)
    return FoundClip(tree, tree, tubes=tubes)


@pytest.mark.parametrize("tubes", [tree_tubes(), linked_tubes()], ids=["tree", "links"])
def test_tubes_are_what_their_masks_say(tubes):
    objects = np.random.default_rng(1).integers(-1, 3, SHAPE)
    objects[1][objects[1] == 2] = 0  # it leaves the view
    objects[2] = 0
    j, masks = tubes.similarities(objects), masks_of(tubes)
    assert j.shape == (len(masks), 2, SHAPE[0])
    for tube, mask in enumerate(masks):
        np.testing.assert_array_equal(tubes.mask(tube), mask)
        inside = mask & (objects >= 0)
        for k in range(2):
            both = (inside & (objects == k + 1)).sum(axis=(1, 2))
            either = (inside | (objects == k + 1)).sum(axis=(1, 2))
            expected = np.where(either > 0, both / np.maximum(either, 1), 1.0)
            np.testing.assert_allclose(j[tube, k], expected)
    counts = tubes.counts(objects)
    for tube, mask in enumerate(masks):
        shown = objects[mask & (objects >= 0)]
        np.testing.assert_array_equal(counts[tube], np.bincount(shown, minlength=3))
    chosen = tubes.likeliest(3).tolist()
    assert 0 < len(chosen) <= 3
    assert 0 not in chosen
    painted = tubes.painted(chosen)
    np.testing.assert_array_equal(painted == 1, masks[chosen[0]])
    assert (painted > 0).sum() == np.any([masks[x] for x in chosen], axis=0).sum()
    assert tubes.cut(3).shape == SHAPE


def test_the_oracle_takes_the_best_node_and_the_choice_does_not_look():
    tubes = tree_tubes()
    node = 5
    truth = masks_of(tubes)[node].astype(int)
    scorer = VideoScorer(task="foreground", flow=False)
    assert isinstance(scorer, Scorer)
    state, row = scorer.score(found(tubes), example(truth))
    assert row["oracle/j_mean"] == row["oracle/f_mean"] == 1
    (chosen,) = tubes.likeliest(1)
    expected = score_masks(masks_of(tubes)[chosen], truth.astype(bool)).row()
    assert row["chosen/jf_mean"] == pytest.approx(expected["jf_mean"])
    assert row["tube_nmcovering"] == 1
    assert row["nodes"] == len(masks_of(tubes)) - 1
    both = states.merge_all([scorer.empty(), state, state])
    metrics = scorer.compute(states.from_words(states.to_words(both), scorer.empty()))
    assert metrics["images"] == 2
    assert metrics["frames"] == 8
    for name in (
        "oracle/jf_mean",
        "tube_nmcovering",
        "chosen/j_mean",
        "chosen/f_decay",
    ):
        assert metrics[name] == pytest.approx(row[name])
    assert metrics["mean_nodes"] == row["nodes"]
    assert not any(name.startswith(("flicker", "by_motion")) for name in metrics)


def test_several_objects_are_matched_with_as_many_tubes_as_are_allowed():
    tubes = tree_tubes(2)
    chosen = tubes.likeliest(20)
    truth = np.zeros(SHAPE, int)
    for number, tube in enumerate(chosen[1:3].tolist(), start=1):
        truth[masks_of(tubes)[tube]] = number
    scorer = VideoScorer(task="objects", flow=False)
    state, row = scorer.score(found(tubes), example(truth))
    assert row["chosen/jf_mean"] == row["oracle/jf_mean"] == 1
    assert int(scorer.compute(state)["objects"]) == 2


def test_a_clip_without_an_object_is_named():
    scorer = VideoScorer(task="foreground", flow=False)
    for truth in (np.zeros(SHAPE, int), np.ones((2, *SHAPE[1:]), int)):
        with pytest.raises(DatasetError, match="bear: expected masks that show an obj"):
            scorer.score(found(tree_tubes()), example(truth, "bear"))


# -- clips in files --------------------------------------------------------------------


@pytest.fixture(scope="module")
def davis(tmp_path_factory):
    """Two clips in which a red square goes to the right."""
    root = tmp_path_factory.mktemp("DAVIS")
    for clip, top in (("high", 4), ("low", 14)):
        for i in range(4):
            frame = np.full((36, 48, 3), (40, 90, 200), np.uint8)
            mask = np.zeros((36, 48), np.uint8)
            square = np.s_[top : top + 16, 4 + 3 * i : 20 + 3 * i]
            frame[square], mask[square] = (220, 60, 30), 255
            for kind, pixels in (("JPEGImages", frame), ("Annotations", mask)):
                path = root / kind / "480p" / clip / f"{i:05}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return load("davis2016", manual_dir=root)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.create(model="dinov2_test", config=CONFIG)


@pytest.mark.slow
def test_clips_are_scored_and_a_stopped_run_goes_on(davis, segmenter, tmp_path):
    scoring = Scoring("video")
    metrics = evaluate(segmenter, davis, tmp_path / "one", scoring=scoring)
    assert metrics["oracle/jf_mean"] == metrics["chosen/jf_mean"] > 0.95
    assert metrics["tube_share_at_8"] > 0.5
    assert (metrics["images"], metrics["frames"]) == (2, 8)
    assert json.loads((tmp_path / "one" / "metrics.json").read_text()) == metrics
    with open(tmp_path / "one" / "per_image.csv", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["high", "low"]
    assert len([*(tmp_path / "one" / "sheets").glob("*.jpg")]) == 2

    def stop(seed, stage, done, scores):
        raise KeyboardInterrupt

    other = tmp_path / "other"
    with pytest.raises(KeyboardInterrupt):
        evaluate(segmenter, davis, other, scoring=scoring, on_image=stop)
    assert len((other / "images-0.jsonl").read_text().splitlines()) == 1
    assert evaluate(segmenter, davis, other, scoring=scoring) == metrics


@pytest.mark.slow
def test_frames_one_by_one_are_scored_the_same_way(davis, segmenter, tmp_path):
    scoring = Scoring("video", tracking="greedy")
    metrics = evaluate(segmenter, davis, tmp_path, scoring=scoring)
    assert metrics["oracle/jf_mean"] > 0.95
    assert metrics["mean_nodes"] > 0


@pytest.mark.readers
def test_what_moves_is_found_by_flow_and_flicker_is_measured(
    davis, segmenter, tmp_path
):
    pytest.importorskip("cv2")
    scoring = Scoring("video", flow=True)
    metrics = evaluate(segmenter, davis, tmp_path, scoring=scoring)
    assert 0 <= metrics["flicker_at_8"] < 0.5
    assert metrics["by_motion/jf_mean"] > 0.9


def test_images_are_no_clips_and_clips_are_not_cropped(davis, segmenter, tmp_path):
    photographs_with_masks(tmp_path, 1)
    images = FolderSource(tmp_path / "images", tmp_path / "masks", name="photos")
    with pytest.raises(DatasetError, match="photos: expected clips"):
        Scoring("video").scorer(images)
    with pytest.raises(DatasetError, match="davis2016: expected no crop"):
        Scoring("video", crop=8).view(davis)
    other = dataclasses.replace(
        segmenter, method=diffusion_walk.METHOD, config=diffusion_walk.default()
    )
    with pytest.raises(ValueError, match=r"many images, .* but got 'diffusion_walk'"):
        evaluate(other, davis, tmp_path / "out", scoring=Scoring("video"))
    with pytest.raises(ValueError, match="takes no tracking, which goes with 'video'"):
        Scoring("instances", tracking="greedy")
