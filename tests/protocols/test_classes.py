"""Trees scored by the best region for every class, and for every object."""

import dataclasses
import json

import numpy as np
import pytest
from metric_oracles import iou
from trees import random_tree

from uhseg_jax.datasets.source import Example, objects_of
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.metrics import boundary, object_parts, regions, scales, states
from uhseg_jax.metrics.cut_tables import CutTables
from uhseg_jax.metrics.objects import BUDGETS, RecallState, match
from uhseg_jax.protocols import Scorer, Scoring
from uhseg_jax.protocols.annotators import AnnotatorScorer
from uhseg_jax.taxonomy import Taxonomy


class Objects:
    """Two images with objects of two classes."""

    name = "objects"
    taxonomy = Taxonomy.parse("background = 0 background\none = 1\ntwo = 2\n")

    def __len__(self):
        return 2

    def fingerprint(self):
        return "objects"

    def __getitem__(self, index):
        instances = random_tree(40 + index, num_splits=4).labels.astype(np.int32) - 1
        labels = (np.maximum(instances, 0) % 3).astype(np.uint8)
        image = np.zeros((*labels.shape, 3), np.uint8)
        return Example(str(index), image, labels, instances=instances)


def result(index):
    grid = random_tree(index, height=6, width=8, num_splits=4)
    return Segmentation(random_tree(index, num_splits=4), grid)


def nfcovering(labels, instances):
    """Mean over objects of their best IoU with a leaf, by masks."""
    counted = instances >= 0
    leaves = [(labels == x) & counted for x in np.unique(labels)]
    objects = [instances == x for x in np.unique(instances) if x > 0]
    return np.mean([max(iou(leaf, x) for leaf in leaves) for x in objects])


def test_objects_are_covered_and_found_where_a_dataset_tells_them_apart():
    source = Objects()
    scorer = Scoring().scorer(source)
    assert isinstance(scorer, Scorer)
    parts, expected = [], {"grid": [], "full": []}
    for index, example in enumerate(source[i] for i in range(2)):
        found = result(index)
        state, row = scorer.score(found, example)
        parts.append(states.from_words(states.to_words(state), scorer.empty()))
        for resolution, tree, step in (
            ("grid", found.grid, slice(2, None, 4)),  # nearest to the middle of four
            ("full", found.tree, slice(None)),
        ):
            score = nfcovering(tree.labels, example.instances[step, step])
            assert row[f"{resolution}/nfcovering"] == pytest.approx(score, abs=1e-12)
            expected[resolution].append(score)
    metrics = scorer.compute(states.merge_all(parts))
    for resolution, scores in expected.items():
        found = metrics[f"{resolution}/nfcovering"]
        assert found == pytest.approx(np.mean(scores), abs=1e-11)
    total = states.merge_all(
        match(result(i).tree.proposals(), objects_of(source[i])).recall()
        for i in range(2)
    )
    assert total.taken.shape == RecallState.empty().taken.shape == (4, len(BUDGETS))
    recalls = {f"full/{name}": value for name, value in total.compute().items()}
    assert {"full/ar_10", "full/ar_at_24", "full/ar_1000_small"} < set(recalls)
    ours = {name: x for name, x in metrics.items() if name.startswith("full/ar_")}
    assert ours == pytest.approx(recalls, nan_ok=True)
    same = random_tree(40, num_splits=4)  # whose regions are objects
    _, row = scorer.score(Segmentation(same, result(0).grid), source[0])
    assert 0 < row["full/ar_1"] < row["full/ar_1000"]
    # An image prepared before its objects were told apart counts elsewhere only.
    old = dataclasses.replace(source[0], instances=None)
    state, row = scorer.score(result(0), old)
    assert not {"full/nfcovering", "full/ar_10"} & set(row)
    mixed = scorer.compute(states.merge_all([*parts, state]))
    assert mixed["full/nfcovering"] == metrics["full/nfcovering"]
    assert mixed["full/ar_10"] == metrics["full/ar_10"]
    assert (mixed["images"], mixed["skipped"]) == (3, 0)


def test_without_objects_the_scores_are_those_of_classes():
    class Plain(Objects):
        def __getitem__(self, index):
            return dataclasses.replace(super().__getitem__(index), instances=None)

    scorer = Scoring().scorer(Plain())
    metrics = scorer.compute(scorer.score(result(0), Plain()[0])[0])
    assert not {"full/nfcovering", "full/ar_10"} & set(metrics)
    _, row = Scoring().scorer(Objects()).score(result(0), Objects()[0])
    assert row["full/nmcovering"] == pytest.approx(metrics["full/nmcovering"])


def test_the_regions_of_several_people_are_scored_at_full_size():
    people = np.stack([random_tree(i, num_splits=3).labels for i in (7, 8)])
    example = dataclasses.replace(Objects()[0], annotations=people)
    scorer = AnnotatorScorer()
    state, row = scorer.score(result(0), example)
    again = states.from_words(states.to_words(state), scorer.empty())
    metrics = scorer.compute(again)
    assert json.dumps(metrics) == json.dumps(scorer.compute(state))
    assert metrics["full/covering_ois"] == pytest.approx(row["full/covering"])
    assert metrics["mean_leaves"] == row["leaves"]
    assert {row.get(scorer.ranked_by)} <= set(row.values())


def test_scales_are_numbers_of_regions_and_costs():
    people = np.stack([random_tree(i, num_splits=3).labels for i in (7, 8)])
    example = dataclasses.replace(Objects()[0], annotations=people)
    found, scorer = result(0), AnnotatorScorer()
    state, row = scorer.score(found, example)
    metrics = scorer.compute(state)
    truths = list(people.astype(np.int64))
    series = {
        "": {"num_regions": scales.NUM_REGIONS},
        "_by_cost": {"num_regions": (), "costs": scales.COSTS},
    }
    for ending, cuts in series.items():
        covered = regions.score_tree(found.tree, truths, **cuts)
        stack = scales.cut_stack(found.tree, **cuts)
        matched = boundary.score_stack(stack, truths)
        maps = scales.cut_maps(found.tree, **cuts)
        parts = object_parts.score_cuts(CutTables.of(found.tree, truths, maps))
        for image, state in (
            (parts, object_parts.ObjectPartsState.empty(len(stack))),
            (covered, regions.RegionState.empty(len(stack))),
            (matched, boundary.BoundaryState.empty(len(stack))),
        ):
            scores = state.update(image).compute()
            assert scores.pop("images") == metrics["images"] == 1
            for name, value in scores.items():
                if name == "covering_best":
                    assert metrics["full/covering_best"] == value
                else:
                    assert metrics[f"full/{name}{ending}"] == value
    for k in scales.NUM_REGIONS:
        image = regions.score_tree(found.tree, truths, num_regions=(k,))
        covering = metrics[f"full/covering_at_{k}"]
        assert covering == pytest.approx(image.row()["covering"], abs=1e-8)
        assert row[f"full/covering_at_{k}"] == image.row()["covering"]
        stack = found.tree.cut(num_regions=k)[None]
        f_measure = boundary.score_stack(np.asarray(stack), truths).f_measures[0]
        assert metrics[f"full/boundary_f_at_{k}"] == pytest.approx(f_measure)
        assert metrics[f"full/fop_at_{k}"] == pytest.approx(row[f"full/fop_at_{k}"])


def test_boundaries_are_matched_once_for_every_cut(monkeypatch):
    people = random_tree(7, num_splits=3).labels[None]
    example = dataclasses.replace(Objects()[0], annotations=people)
    matched, count = [], boundary.count_matches
    monkeypatch.setattr(
        boundary,
        "count_matches",
        lambda maps, *args: matched.extend(maps) or count(maps, *args),
    )
    found = result(0)
    AnnotatorScorer().score(found, example)
    cuts = [found.tree.cut(num_regions=k) for k in scales.NUM_REGIONS]
    cuts += [found.tree.cut(cost=c) for c in scales.COSTS]
    assert len(matched) <= len({np.asarray(x).tobytes() for x in cuts})


def test_curves_of_boundaries_are_those_of_the_scales():
    people = random_tree(7, num_splits=3).labels[None]
    example = dataclasses.replace(Objects()[0], annotations=people)
    scorer = AnnotatorScorer()
    state, _ = scorer.score(result(0), example)
    curves = scorer.curves(state)
    series = "", "_by_cost"
    assert list(curves) == [
        f"full/{x}{y}" for x in ("boundaries", "fop") for y in series
    ]
    assert curves["full/fop"].y == tuple(state.object_parts.curve()[1])
    curve = curves["full/boundaries"]
    recall, precision = state.boundaries.curve()
    assert (curve.x, curve.y) == (tuple(recall), tuple(precision))
    assert (curve.x_name, curve.y_name) == ("recall", "precision")
    assert {type(x) for x in curve.x} == {float}
    scorer = Scoring(boundaries=True).scorer(Objects())
    state, _ = scorer.score(result(0), Objects()[0])
    assert list(scorer.curves(state)) == ["full/boundaries"]
    scorer = Scoring().scorer(Objects())
    assert scorer.curves(scorer.empty()) == {}
