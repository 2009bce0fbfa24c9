"""The scores of an evaluation: what they are, and that they go on where they stop."""

import dataclasses

import block_method
import numpy as np
import pytest
from shapes import (
    MATCHED,
    NESTED,
    Annotated,
    Shapes,
    assert_same_files,
    read_json,
    rows,
)
from small_runs import CONFIG

from uhseg_jax import workers
from uhseg_jax.datasets.source import DatasetError
from uhseg_jax.datasets.views import CroppedSource
from uhseg_jax.methods import region_merging
from uhseg_jax.metrics import boundary, overlap, regions, scales
from uhseg_jax.metrics.boundary import BoundaryState
from uhseg_jax.metrics.matching import ImageMatchingState, match_image
from uhseg_jax.protocols import Scoring
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.runs import bootstrap, flow
from uhseg_jax.runs.evaluate import evaluate, seeded
from uhseg_jax.runs.record import RunError

pytestmark = pytest.mark.usefixtures("few_resamples")


def test_scores_are_those_of_the_metrics_image_by_image(found, whole):
    metrics, classes = read_json(whole / "metrics.json"), Shapes().taxonomy.flat()
    grid, full = (overlap.OverlapState.empty(classes.num_classes) for _ in range(2))
    for example, result in found:
        truth = classes.encode(example.labels)
        small = resize_labels(truth, result.grid.labels.shape)
        grid = grid.update(overlap.score_image(result.grid, small, num_classes=3))
        full = full.update(overlap.score_image(result.tree, truth, num_classes=3))
    for resolution, state in (("grid", grid), ("full", full)):
        for name, value in state.compute().items():
            assert metrics[name if name in metrics else f"{resolution}/{name}"] == value
    assert (metrics["images"], metrics["skipped"]) == (4, 1)
    expected = {"miou", "pacc", "macc", "fiou", "nmcovering"}
    expected |= {f"nmcovering_at_{n}" for n in scales.NUM_REGIONS}
    for resolution in ("grid", "full"):
        assert {
            k.partition("/")[2] for k in metrics if k.startswith(resolution)
        } == expected
    table = rows(whole)
    assert [row["name"] for row in table] == [f"shape {i}" for i in range(5)]
    scored = [float(r["full/nmcovering"]) for r in table if r["name"] != "shape 3"]
    assert np.mean(scored) == pytest.approx(metrics["full/nmcovering"], abs=1e-9)


def test_scores_of_resampled_images_are_those_of_these_images(
    segmenter, whole, tmp_path
):
    found = bootstrap.read(whole / "bootstrap.npz")
    metrics = read_json(whole / "metrics.json")
    assert list(found.scores) == list(metrics)
    assert found.images == 5
    drawn = next(bootstrap.weights(5))
    chosen = np.repeat(np.arange(5), drawn)

    class Drawn(Shapes):
        def __getitem__(self, index):
            return super().__getitem__(int(chosen[index]))

    ours = evaluate(segmenter, Drawn(), tmp_path, drawings=0)
    assert {key: x[0] for key, x in found.scores.items()} == pytest.approx(ours)
    assert read_json(whole / "curves.json") == {
        "ranked_by": "full/nmcovering",
        "curves": {},
    }


def test_boundaries_of_classes_are_scored_where_asked_for(found, segmenter, tmp_path):
    metrics = evaluate(segmenter, Shapes(), tmp_path, scoring=Scoring(boundaries=True))
    state = BoundaryState.empty(len(scales.NUM_REGIONS))
    for example, result in (*found[:3], found[4]):  # 3: nothing counts
        truth = example.labels.astype(np.int64)
        truth[:2] = truth[2]  # void rows take what lies below
        stack = scales.cut_stack(result.tree)
        state = state.update(boundary.score_stack(stack, [truth]))
    wanted = state.compute()
    for name in ("boundary_ods", "boundary_ois", "boundary_ap"):
        assert metrics[f"full/{name}"] == wanted[name]
        assert f"grid/{name}" not in metrics
    assert (metrics["images"], metrics["skipped"]) == (4, 1)
    curve = read_json(tmp_path / "curves.json")["curves"]["full/boundaries"]
    assert (curve["x_name"], curve["y_name"]) == ("recall", "precision")
    np.testing.assert_allclose([curve["x"], curve["y"]], state.curve())


def test_regions_of_several_people_are_scored_as_bsds_does(found, segmenter, tmp_path):
    source = Annotated(3)
    metrics = evaluate(segmenter, source, tmp_path)
    state = regions.RegionState.empty(len(scales.NUM_REGIONS))
    for index, (_, result) in enumerate(found[:3]):
        people = list(source[index].annotations.astype(np.int64))
        state = state.update(regions.score_tree(result.tree, people))
    for name, value in state.compute().items():
        assert metrics[name if name == "images" else f"full/{name}"] == value
    assert 0 <= metrics["full/boundary_ods"] <= 1
    assert metrics["mean_nodes"] > 0
    assert not any(key.startswith("grid/") for key in metrics)
    assert evaluate(segmenter, source, tmp_path) == metrics


@pytest.mark.slow
def test_boundaries_are_matched_in_processes_as_they_are_here(
    segmenter, tmp_path, monkeypatch
):
    here, there, stopped = (tmp_path / x for x in ("here", "there", "stopped"))
    evaluate(segmenter, Annotated(2), here)
    monkeypatch.setattr(workers, "_SLOW", -1.0)
    calls, call = [], workers._Worker.call
    monkeypatch.setattr(
        workers._Worker, "call", lambda *args: calls.append(args) or call(*args)
    )
    monkeypatch.setattr(flow, "host_threads", lambda: 1)  # one after the other
    evaluate(segmenter, Annotated(2), there)
    assert calls
    assert_same_files(there, here)
    count = boundary.count_matches
    monkeypatch.setattr(boundary, "count_matches", lambda *args: count(*args))
    with pytest.raises(RunError, match=r"(?s)shape \d: it could not .*test_evaluate"):
        evaluate(segmenter, Annotated(2), stopped)


def test_matched_segments_are_scored_on_the_crops(segmenter, tmp_path, truths):
    metrics = evaluate(segmenter, Shapes(), tmp_path, scoring=MATCHED)
    cropped, counts = CroppedSource(Shapes(), side=42), []
    state = ImageMatchingState.empty(3)
    for example in (cropped[index] for index in range(5)):
        labels = segmenter([example.image])[0].tree.labels
        truth = cropped.taxonomy.flat().encode(example.labels)
        state = state.update(match_image(labels, truth, num_classes=3))
        counts.append(np.unique(labels).size)
    for name in ("miou", "pacc"):
        assert metrics[f"full/hungarian_{name}"] == state.compute()[name]
    assert (metrics["images"], metrics["skipped"]) == (4, 1)
    assert metrics["mean_leaves"] == np.mean(counts[:3] + counts[4:])
    assert {key.partition("/")[0] for key in metrics} == {
        *("full", "grid", "images", "skipped", "mean_leaves")
    }
    assert [truth.shape for truth in truths] == [(42, 42)] * 4
    assert read_json(tmp_path / "metrics.json") == metrics


def test_a_method_without_a_seed_is_scored_once(tmp_path):
    metrics = evaluate(block_method.segmenter(), Shapes(2), tmp_path)
    assert metrics["images"] == 2
    assert not list(tmp_path.glob("seed-*"))
    with pytest.raises(RunError, match="leave num_seeds out"):
        evaluate(
            block_method.segmenter(),
            Shapes(2),
            tmp_path / "again",
            scoring=Scoring(num_seeds=2),
        )


def test_hierarchies_are_scored_as_well(segmenter, tmp_path):
    metrics = evaluate(segmenter, Shapes(taxonomy=NESTED), tmp_path)
    for resolution in ("grid", "full"):
        assert (
            0
            < metrics[f"{resolution}/nhcovering"]
            <= metrics[f"{resolution}/tree_nmcovering"]
        )
        assert {f"{resolution}/tree_miou", f"{resolution}/tree_pacc"} <= metrics.keys()


def test_nothing_to_score_is_null_in_json(segmenter, tmp_path):
    ids = "".join(f"{i} = {i} ignore\n" for i in (0, 1, 2, 255))
    metrics = evaluate(segmenter, Shapes(1, taxonomy=f"other = 9\n{ids}"), tmp_path)
    assert np.isnan(metrics["full/miou"])
    assert metrics["skipped"] == 1
    assert read_json(tmp_path / "metrics.json")["full/miou"] is None


@pytest.mark.parametrize("scoring", [Scoring(), MATCHED], ids=["regions", "matched"])
def test_a_stopped_evaluation_goes_on_and_ends_the_same(
    scoring, segmenter, whole, tmp_path
):
    if scoring == MATCHED:
        whole = tmp_path / "whole"
        evaluate(segmenter, Shapes(), whole, scoring=scoring)
    parts = tmp_path / "parts"
    with pytest.raises(DatasetError, match="shape 2"):
        evaluate(segmenter, Shapes(fails_at=2), parts, scoring=scoring)
    assert not (parts / "metrics.json").exists()
    source, seen = Shapes(), []
    evaluate(
        segmenter,
        source,
        parts,
        scoring=scoring,
        batch_size=2,
        on_image=lambda *progress: seen.append(progress[:3]),
    )
    assert seen == [(0, "scores", done) for done in (3, 4, 5)]
    assert source.reads[1:4] == [2, 3, 4]  # the first look tells how to score
    assert_same_files(parts, whole)
    with pytest.raises(RunError, match=r"scoring\.crop"):
        evaluate(segmenter, Shapes(), parts, scoring=Scoring("hungarian", crop=41))


def test_only_methods_with_a_seed_have_several():
    assert (
        [x.seed for x in seeded(CONFIG, 2).values()] == [0, 1] == [*seeded(CONFIG, 2)]
    )
    config = region_merging.default()
    assert seeded(config, 1) == {0: config}
    with pytest.raises(RunError, match="of which 2 runs"):
        seeded(config, 2)


def test_names_of_any_kind_come_back_from_the_table(segmenter, tmp_path):
    names = ['=1+1, "two"\nlines\r', "caf\udce9"]

    class Named(Shapes):
        def __getitem__(self, index):
            return dataclasses.replace(super().__getitem__(index), name=names[index])

    evaluate(segmenter, Named(2), tmp_path)
    assert [row["name"] for row in rows(tmp_path)] == [names[0], r"caf\udce9"]


def test_unknown_ids_name_the_example(segmenter, tmp_path):
    source = Shapes(1, taxonomy="background = 0 background\nleft = 1\n")
    with pytest.raises(DatasetError, match=r"shape 0: .*2 \("):
        evaluate(segmenter, source, tmp_path)
