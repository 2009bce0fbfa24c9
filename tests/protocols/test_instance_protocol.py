"""Trees scored by their regions as proposals for objects."""

import dataclasses
import json

import block_method
import numpy as np
import pytest
from coco_evaluation import coco_scores, run_length
from trees import random_tree

from uhseg_jax.datasets.objects import Objects
from uhseg_jax.datasets.source import DatasetError, Example, objects_of
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.metrics import states
from uhseg_jax.metrics.objects import AREAS, BUDGETS
from uhseg_jax.protocols import Scorer, Scoring
from uhseg_jax.runs.evaluate import evaluate
from uhseg_jax.taxonomy import Taxonomy


class Overlapping:
    """Three images: objects that overlap and a crowd; a map with a part; nothing."""

    name = "overlapping"
    taxonomy = Taxonomy.parse(
        "background = 0 background\ndog\n  head = 1\n  rest = 2\n"
    )

    def __init__(self, *, fails_at=None):
        self._fails_at = fails_at

    def __len__(self):
        return 3

    def fingerprint(self):
        return "overlapping"

    def __getitem__(self, index):
        if index == self._fails_at:
            raise DatasetError("the file is gone")
        regions = random_tree(40 + index, num_splits=4).labels
        labels = np.where(regions % 3 == 0, 1, 2).astype(np.uint8)
        image = np.zeros((*labels.shape, 3), np.uint8)
        example = Example(str(index), image, labels)
        if index == 1:
            instances = (regions > 3).astype(np.int32)
            instances[0] = -1
            return dataclasses.replace(example, instances=instances)
        below = np.arange(24)[:, None] >= 9 + 0 * regions
        masks = [below, regions > 2, regions == 2] if index == 0 else []
        areas = np.array([float(mask.sum()) for mask in masks])
        crowd = np.array([False, False, True])[: len(masks)]
        rles = tuple(map(run_length, masks))
        return dataclasses.replace(example, objects=Objects(rles, areas, crowd, index))


def result(index):
    tree = random_tree(40 + index, num_splits=9)
    return Segmentation(tree, random_tree(index, height=6, width=8))


def test_images_score_as_in_pycocotools_and_are_counted():
    source = Overlapping()
    scorer = Scoring("instances").scorer(source)
    assert isinstance(scorer, Scorer)
    parts, rows, images = [], [], []
    for index in range(3):
        example, found = source[index], result(index)
        state, row = scorer.score(found, example)
        parts.append(states.from_words(states.to_words(state), scorer.empty()))
        rows.append(row)
        objects = objects_of(example, taxonomy=source.taxonomy)
        images.append((objects.image_id, found.tree.proposals(), objects))
    state = states.merge_all([parts[2], scorer.empty(), parts[0], parts[1]])
    metrics = scorer.compute(state)
    expected = coco_scores(images, areas=AREAS, budgets=BUDGETS)
    full = {name[5:]: x for name, x in metrics.items() if name.startswith("full/")}
    assert full == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert 0 < full["ap"] < full["ar_1000"] < 1
    # The dog of the map has two parts.
    assert [row["objects"] for row in rows] == [2, 3, 0]
    assert (metrics["images"], metrics["skipped"], metrics["objects"]) == (3, 0, 5)
    for name in ("proposals", "nodes", "leaves"):
        assert metrics[f"mean_{name}"] == np.mean([row[name] for row in rows])
    alone = scorer.compute(parts[0])
    assert rows[0]["full/ar_100"] == alone["full/ar_100"]
    assert rows[0]["full/ar_at_8"] == alone["full/ar_at_8"]
    assert np.isnan(rows[2][scorer.ranked_by])
    assert list(scorer.curves(state)) == ["full/objects_50", "full/objects_75"]
    json.dumps([rows, metrics])


def test_trees_are_scored_at_the_size_of_the_image():
    source = Overlapping()
    scorer = Scoring("instances").scorer(source)
    example, tree = source[0], result(0).tree
    small = dataclasses.replace(tree, labels=tree.labels[::2, ::2])
    assert scorer.score(Segmentation(small, small), example)[1]["full/ar_1000"] > 0


def test_a_stopped_evaluation_goes_on_and_ends_the_same(tmp_path):
    segmenter, scoring = block_method.segmenter(), Scoring("instances")
    whole = evaluate(segmenter, Overlapping(), tmp_path / "whole", scoring=scoring)
    assert whole["images"] == 3
    assert whole["full/ap"] > 0
    with pytest.raises(DatasetError, match="gone"):
        evaluate(
            segmenter, Overlapping(fails_at=2), tmp_path / "parts", scoring=scoring
        )
    again = evaluate(segmenter, Overlapping(), tmp_path / "parts", scoring=scoring)
    assert json.dumps(again) == json.dumps(whole)  # NaN is not itself
    one, two = (
        {p.name: p.read_bytes() for p in (tmp_path / x).glob("*.csv")}
        for x in ("whole", "parts")
    )
    assert one == two


def test_datasets_without_objects_are_refused():
    class Classes(Overlapping):
        def __getitem__(self, index):
            example = super().__getitem__(index)
            return dataclasses.replace(example, instances=None, objects=None)

    with pytest.raises(DatasetError, match="overlapping: expected single objects"):
        Scoring("instances").scorer(Classes())
    scorer = Scoring("instances").scorer(Overlapping())
    with pytest.raises(DatasetError, match="1: expected single objects, as the other"):
        scorer.score(result(1), Classes()[1])
    with pytest.raises(ValueError, match="'instances' takes no boundaries"):
        Scoring("instances", boundaries=True)
