import dataclasses
import json
import math

import numpy as np
import pytest

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.discovery import Discovery, Extractor
from uhseg_jax.discovery.discover import ImageRegions
from uhseg_jax.evaluation.score_files import EvaluationError
from uhseg_jax.methods import multilevel_clustering
from uhseg_jax.protocols.collection import (
    evaluate_collection,
    score_discovery,
    settings_of_collection,
)
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.taxonomy import Taxonomy

UPSAMPLE = Refinement(refiner="upsample")
CONFIG = dataclasses.replace(
    multilevel_clustering.default(),
    image_size=(84, 112),
    crop_size=28,
    num_groups=1,
    num_categories=2,
    sample_size=400,
    kmeans_restarts=1,
)


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


def perfect(source, *, swapped=(), numbers=(2, 1, 2)):
    """What a method would find that knows where the squares are."""

    def regions(index):
        labels = (source[index].labels % 255 > 0).astype(np.int32)
        grid = labels[2::5, 2::5] > 0
        boxes, tokens = np.array([[15, 20, 45, 50]]), np.zeros((1, 4), np.float32)
        return ImageRegions(labels, boxes, tokens, np.stack([grid] * 4))

    kinds = tuple(
        np.array([3 - x if i in swapped else x]) for i, x in enumerate(numbers)
    )
    return Discovery(
        2, kinds, tuple(np.zeros(1, np.float32) for _ in kinds), {}, regions
    )


def test_perfect_categories_score_one_whatever_their_numbers():
    scores = score_discovery(perfect(Squares()), Squares(), 2)
    assert scores["full/miou"] == scores["full/pacc"] == 1
    for level in ("dataset", "category", "image", "final", "refined"):
        assert scores[f"foreground/{level}_iou"] == 1
        assert scores[f"foreground/{level}_iou_per_picture"] == 1
    share = 30 * 30 / (57 * 80)
    assert scores["foreground/everything_iou"] == pytest.approx(share)
    assert (scores["images"], scores["mean_regions"]) == (3, 1)


def test_one_matching_serves_the_whole_set():
    # With one assignment an image, this would score 1.
    scores = score_discovery(perfect(Squares(), swapped=[2]), Squares(), 2)
    # Red is in the first and the last image: each cluster holds one of the two.
    assert scores["full/miou"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)


def test_seeds_are_averaged_and_a_second_call_changes_nothing(tmp_path):
    extractor = Extractor.create(model="dinov2_test", config=CONFIG)
    source = Squares()
    settings = settings_of_collection(
        extractor, source, refinement=UPSAMPLE, num_seeds=2, version="test"
    )
    seen = []
    fields = {"refinement": UPSAMPLE, "settings": settings, "num_seeds": 2}
    metrics = evaluate_collection(
        extractor, source, tmp_path, on_image=lambda *x: seen.append(x), **fields
    )
    assert len(seen) == 2 * 2 * 3
    each = [metrics[f"full/miou_seed_{seed}"] for seed in (0, 1)]
    assert metrics["full/miou"] == pytest.approx(np.mean(each))
    assert metrics["full/miou_std"] == pytest.approx(np.std(each, ddof=1))
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    seen.clear()
    assert evaluate_collection(extractor, source, tmp_path, **fields) == metrics
    assert not seen
    other = {**settings, "version": "other"}
    with pytest.raises(EvaluationError, match="--overwrite"):
        evaluate_collection(
            extractor, source, tmp_path, **{**fields, "settings": other}
        )
    alone = {**fields, "settings": {**settings, "num_seeds": 1}, "num_seeds": 1}
    one = evaluate_collection(extractor, source, tmp_path, overwrite=True, **alone)
    assert math.isnan(one["full/miou_std"])
    assert one["full/miou"] == pytest.approx(each[0])
    assert json.loads((tmp_path / "metrics.json").read_text())["full/miou_std"] is None


def test_ids_that_the_taxonomy_does_not_know_are_named():
    class Odd(Squares):
        def __getitem__(self, index):
            example = super().__getitem__(index)
            return dataclasses.replace(example, labels=example.labels + 7)

    with pytest.raises(DatasetError, match=r"^0: "):
        score_discovery(perfect(Squares()), Odd(), 2)
