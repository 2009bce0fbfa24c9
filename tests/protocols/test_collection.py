"""Categories scored against the classes of a dataset."""

import dataclasses
import json
import math

import numpy as np
import pytest

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.methods.multilevel_clustering.regions import flat_tree
from uhseg_jax.metrics import states
from uhseg_jax.protocols import Scoring, average_seeds
from uhseg_jax.protocols.collection import MASKS
from uhseg_jax.protocols.protocol import Scorer
from uhseg_jax.taxonomy import Taxonomy


class Squares:
    """A square of one of two classes in every image, in a border to ignore."""

    name = "squares"
    taxonomy = Taxonomy.parse(
        "background = 0 background\nred = 1\nblue = 2\nborder = 255 ignore\n"
    )

    def __len__(self):
        return 3

    def fingerprint(self):
        return "three squares"

    def __getitem__(self, index):
        labels = np.zeros((60, 80), np.uint8)
        labels[15:45, 20:50] = 1 + index % 2
        labels[:3] = 255
        colors = np.array([[60, 120, 60], [220, 30, 30], [30, 30, 220]])
        return Example(str(index), colors[labels % 255].astype(np.uint8), labels)


def perfect(example, category, masks=MASKS):
    """What a method would find that knows where the square is."""
    labels = (example.labels % 255 > 0).astype(np.int32)
    tree, region = flat_tree(labels)
    grid = labels[2::5, 2::5] > 0
    categories = np.where(region > 0, category, 0)
    return Segmentation(tree, tree, categories, masks=dict.fromkeys(masks, grid))


def scored(categories, **kwargs):
    """Scores of perfect squares under numbers, and the rows of images."""
    source = Squares()
    scorer = Scoring("collection").scorer(source, num_categories=2)
    assert isinstance(scorer, Scorer)
    parts, rows = zip(
        *(
            scorer.score(perfect(source[i], number, **kwargs), source[i])
            for i, number in enumerate(categories)
        ),
        strict=True,
    )
    whole = scorer.compute(states.merge_all([scorer.empty(), *parts]))
    travelled = [states.from_words(states.to_words(x), parts[0]) for x in parts]
    again = scorer.compute(states.merge_all(travelled[::-1]))
    assert json.dumps(again) == json.dumps(whole)  # NaN too
    return whole, rows


def test_perfect_categories_score_one_whatever_their_numbers():
    scores, rows = scored([2, 1, 2])
    assert scores["full/miou"] == scores["full/pacc"] == 1
    for level in (*MASKS, "refined"):
        assert scores[f"foreground/{level}_iou"] == 1
        assert scores[f"foreground/{level}_iou_per_image"] == 1
        assert [row[f"foreground/{level}_iou"] for row in rows] == [1] * 3
    share = 30 * 30 / (57 * 80)
    assert scores["foreground/everything_iou"] == pytest.approx(share)
    assert scores["foreground/everything_iou_per_image"] == pytest.approx(share)
    assert (scores["images"], scores["skipped"], scores["mean_regions"]) == (3, 0, 1)
    assert scores["categories"] == 2
    # A method without masks has no foreground on the grid.
    scores, rows = scored([1, 1, 1], masks=())
    assert math.isnan(scores["foreground/image_iou"])
    assert "foreground/image_iou" not in rows[0]
    assert scores["categories"] == 1


def test_one_matching_serves_the_whole_set():
    # With one assignment an image, this would score 1. Red is in the first and the last
    # image: each cluster holds one of the two.
    assert scored([2, 1, 1])[0]["full/miou"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)


def test_what_cannot_be_scored_is_named():
    source, scorer = Squares(), Scoring("collection").scorer(Squares())
    good, example = perfect(source[0], 1), source[0]
    odd = dataclasses.replace(example, labels=example.labels + 7)
    with pytest.raises(DatasetError, match=r"^0: "):
        scorer.score(good, odd)
    with pytest.raises(ValueError, match="expected a category for every region"):
        scorer.score(dataclasses.replace(good, categories=None), example)
    with pytest.raises(ValueError, match="below 3 for the rows"):
        scorer.score(perfect(example, 3), example)


def test_seeds_are_averaged():
    one, other = {"full/miou": 0.25, "a": None}, {"full/miou": 0.75, "a": 1}
    metrics = average_seeds({4: one, 7: other})
    assert math.isnan(metrics.pop("a"))
    each = {"full/miou_seed_4": 0.25, "full/miou_seed_7": 0.75}
    spread = {"full/miou": 0.5, "full/miou_std": pytest.approx(0.5 / 2**0.5)}
    assert metrics == {**spread, **each}
    assert math.isnan(average_seeds({0: other})["full/miou_std"])
