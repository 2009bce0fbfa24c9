"""F of objects and parts against loops over regions, as the definition reads."""

import dataclasses

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import class_maps
from trees import make_tree, quadrants, region_trees

from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics.cut_tables import CutTables
from uhseg_jax.metrics.object_parts import (
    ImageObjectParts,
    ObjectPartsState,
    score_cuts,
)
from uhseg_jax.metrics.scales import cut_maps


def regions_of(labels):
    """Masks in reading order of their first pixels, and which of them are judged."""
    values = list(dict.fromkeys(labels[labels >= 0].tolist()))
    masks = [labels == value for value in values]
    judged, before = [False] * len(masks), 0
    # The largest first, of equals the last.
    for at in sorted(range(len(masks)), key=lambda i: (masks[i].sum(), i))[::-1]:
        judged[at] = before * 100 < 99 * (labels >= 0).sum()
        before += masks[at].sum()
    return masks, judged


def reference(labels, truths):
    """Recall and precision of one partition."""
    counted = [truth >= 0 for truth in truths]
    ours, ours_judged = regions_of(labels)
    kind, made_up = ["noise"] * len(ours), [0.0] * len(ours)
    recalled = wanted = 0
    for truth, counts in zip(truths, counted, strict=True):
        theirs, theirs_judged = regions_of(truth)
        their_kind, their_made_up = ["noise"] * len(theirs), [0.0] * len(theirs)
        for i, region in enumerate(ours):
            for j, other in enumerate(theirs):
                shared = (region & other).sum()
                if not shared:
                    continue
                of_ours = shared / (region & counts).sum()
                of_theirs = shared / other.sum()
                both = ours_judged[i] and theirs_judged[j]
                if of_ours >= 0.9 and of_theirs >= 0.9:
                    if both:
                        kind[i] = their_kind[j] = "object"
                elif of_ours >= 0.9:
                    their_made_up[j] += of_theirs
                    if both and of_theirs >= 0.25 and kind[i] != "object":
                        kind[i] = "part"
                elif of_theirs >= 0.9:
                    made_up[i] += of_ours
                    if both and of_ours >= 0.25 and their_kind[j] != "object":
                        their_kind[j] = "part"
        recalled += total(their_kind, their_made_up, theirs_judged, 1)
        wanted += sum(theirs_judged)
    precise = total(kind, made_up, ours_judged, len(truths))
    return recalled / max(wanted, 1), precise / max(sum(ours_judged), 1)


def total(kinds, made_up, judged, count):
    weights = {"object": 1, "part": 0.1}
    return sum(
        weights.get(kind, share / count)
        for kind, share, is_judged in zip(kinds, made_up, judged, strict=True)
        if is_judged
    )


def scores(tree, truths, numbers=(1, 2, 3, 5, 8, 30), costs=(0.3, 0.7)):
    maps = cut_maps(tree, numbers, costs=costs)
    found = score_cuts(CutTables.of(tree, truths, maps))
    return found, maps[:, np.asarray(tree.labels)]


def same(found, cuts, truths):
    expected = np.array([reference(labels, truths) for labels in cuts]).T
    np.testing.assert_allclose(found.recall, expected[0], atol=1e-12)
    np.testing.assert_allclose(found.precision, expected[1], atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.data(), region_trees(max_side=16, max_splits=10), st.integers(1, 3))
def test_cuts_score_as_loops_over_regions_say(data, tree, people):
    """Annotators who nearly agree with some cut, or not at all."""
    truths = []
    for _ in range(people):
        own = tree.cut(num_regions=data.draw(st.integers(1, 9)))
        noise = data.draw(class_maps(own.shape, num_classes=9))
        changed = np.random.default_rng(data.draw(st.integers(0, 99))).random(own.shape)
        share = data.draw(st.sampled_from([0.0, 0.03, 0.12, 0.5, 1.0]))
        truths.append(np.where(changed < share, noise, own).astype(np.int64))
    found, cuts = scores(tree, truths)
    same(found, cuts, truths)
    f = 2 * found.recall * found.precision
    f = f / np.maximum(found.recall + found.precision, 1e-300)
    np.testing.assert_allclose(found.f_measures, f)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30))
def test_random_partitions_in_small_pieces_score_alike(seed, ours, theirs):
    """Where hundredths of the image are lost, and regions of equal size are many."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(200) % ours).reshape(10, 20)
    truths = [np.sort(rng.integers(0, theirs, 200)).reshape(10, 20) for _ in range(2)]
    truths.append(np.where(rng.random(labels.shape) < 0.05, ours, labels))
    if ours > 2:
        truths.append(np.where(labels < 2, 0, labels))
    tree = RegionTree.flat(labels + 1, ours + 1)
    found, cuts = scores(tree, truths, numbers=(1, 60), costs=())
    same(found, cuts, truths)


def test_real_partitions_of_people_score_as_loops_say(shared):
    folder = shared / "data" / "BSDS500" / "data" / "groundTruth"
    paths = sorted(folder.glob("val/*.mat"))[::50]
    if not paths:
        pytest.skip("BSDS500 is not in the shared folder")
    for path in paths:
        first, *others = (
            one[0, 0]["Segmentation"].astype(np.int64)[::2, ::2]
            for one in scipy.io.loadmat(path)["groundTruth"][0]
        )
        tree = RegionTree.flat(first + 1, int(first.max()) + 2)
        found, cuts = scores(tree, others, numbers=(1, 10**6), costs=())
        same(found, cuts, others)
        assert 0.2 < found.f_measures[-1] < 1


def test_objects_parts_and_what_they_make_up_count_as_the_paper_says():
    """Its figure: halves of a truth that is whole, and one object found."""
    truth = np.repeat([0, 0, 1, 1], 4).reshape(1, 16)
    found, _ = scores(quadrants(1, 16), [truth], numbers=(2,), costs=())
    assert (found.recall[0], found.precision[0]) == (1, 1)  # two halves, two objects
    labels = np.repeat([1, 2, 3, 3], 4).reshape(1, 16)
    tree = make_tree(labels, [-1, 0, 0, 0], [0, 1, 1, 1], [0, 0.1, 0.1, 0.1])
    found, _ = scores(tree, [truth], numbers=(3,), costs=())
    assert found.recall[0] == 1  # an object, and one made up of two parts
    assert found.precision[0] == pytest.approx((1 + 0.1 + 0.1) / 3)
    swapped, _ = scores(
        dataclasses.replace(tree, labels=truth.astype(np.int32) + 1),
        [labels.astype(np.int64)],
        numbers=(3,),
        costs=(),
    )
    assert swapped.precision[0] == 1
    assert swapped.recall[0] == pytest.approx((1 + 0.1 + 0.1) / 3)


def test_a_set_has_the_means_of_its_images():
    rng = np.random.default_rng(0)
    images = [ImageObjectParts(*rng.random((2, 4))) for _ in range(5)]
    state = merged = ObjectPartsState.empty(4)
    assert np.isnan(state.compute()["fop_ods"])
    for image in images:
        state = state.update(image)
        merged = ObjectPartsState.empty(4).update(image).merge(merged)
    assert state.compute() == merged.compute()
    recall, precision = (
        np.array([getattr(x, name) for x in images]) for name in ("recall", "precision")
    )
    f = 2 * recall * precision / (recall + precision)
    means = recall.mean(axis=0), precision.mean(axis=0)
    best = np.arange(5), f.argmax(axis=1)
    of_best = recall[best].mean(), precision[best].mean()
    found = state.compute()
    for name, (r, p) in (("fop_ods", means), ("fop_ois", of_best)):
        assert found[name] == pytest.approx(np.max(2 * r * p / (r + p)), abs=1e-9)
    assert found["images"] == 5
    assert images[0].row()["fop"] == pytest.approx(f[0].max())
    assert images[0].at(slice(2)).row()["fop"] == pytest.approx(f[0, :2].max())


def test_perfect_and_hopeless_cuts():
    tree = quadrants()
    found, _ = scores(tree, [tree.labels] * 3, numbers=(4,), costs=())
    assert (found.recall[0], found.precision[0]) == (1, 1)
    checks = np.indices(tree.labels.shape).sum(axis=0) % 2
    found, _ = scores(tree, [checks], numbers=(2, 4), costs=())
    assert found.f_measures.tolist() == [0, 0]
    nothing = np.full(tree.labels.shape, -1)
    found, _ = scores(tree, [nothing], numbers=(2,), costs=())
    assert found.f_measures.tolist() == [0]
