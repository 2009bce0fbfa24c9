"""Segments matched with classes in every image, against the protocol in plain numpy.

The references follow the evaluations of DiffSeg and DiffCut in their words, with loops
and float64.
"""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from trees import make_tree, random_tree

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.metrics import states
from uhseg_jax.protocols.matched import MatchedScorer
from uhseg_jax.protocols.protocol import Scorer
from uhseg_jax.taxonomy import Taxonomy

NAMES = ("one", "two", "three", "four", "five", "six")
TAXONOMY = Taxonomy.parse(
    "".join(f"{name} = {10 * i}\n" for i, name in enumerate(NAMES, start=1))
    + "void = 255 ignore\n"
)


def shared_pixels(segments, classes, num_classes):
    table = np.zeros((num_classes, max(num_classes, segments.max() + 1)))
    for segment, label in zip(segments.ravel(), classes.ravel(), strict=True):
        if 0 <= label < num_classes:
            table[label, segment] += 1
    return table


def with_the_rest_united(segments, classes):
    """DiffCut's many-to-one matching; the background is the last class."""
    table = shared_pixels(segments, classes, 5)
    _, columns = linear_sum_assignment(table, maximize=True)
    assigned = {columns[label] for label in range(5) if (classes == label).any()}
    united = segments.copy()
    for segment in set(segments.ravel()) - assigned:
        united[segments == segment] = segments.max() + 1
    return united


def reference(pairs):
    """mIoU and pixel accuracy of pairs (segments, class indices, -1 for none)."""
    tp, fp, fn = np.zeros(6), np.zeros(6), np.zeros(6)
    for segments, classes in pairs:
        table = shared_pixels(segments, classes, 6)
        rows, columns = linear_sum_assignment(table, maximize=True)
        for row, column in zip(rows, columns, strict=True):
            tp[row] += table[row, column]
            fp[row] += table[:, column].sum() - table[row, column]
            fn[row] += table[row].sum() - table[row, column]
    union = tp + fp + fn
    shown = union > 0
    return np.mean(tp[shown] / union[shown]), tp.sum() / (tp + fn).sum()


def flat_tree(segments):
    """A root with one leaf for every id from 0 on."""
    count = segments.max() + 1
    return make_tree(
        segments + 1, [-1] + [0] * count, [0] + [1] * count, [0] + [0.5] * count
    )


def example(rng, size, *, num_classes=6, name="image"):
    """An image in blocks of classes, a tenth of its pixels void."""
    blocks = rng.integers(1, num_classes + 1, (-(-size[0] // 4), -(-size[1] // 4)))
    labels = 10 * np.kron(blocks, np.ones((4, 4), int))[: size[0], : size[1]]
    labels[rng.random(size) < 0.1] = 255
    return Example(name, np.zeros((*size, 3), np.uint8), labels.astype(np.uint16))


def classes_of(labels):
    return np.where(labels == 255, -1, labels.astype(int) // 10 - 1)


def scored(scorer, trees_and_examples):
    """Scores over several images."""
    parts = [
        scorer.score(Segmentation(full, grid), image)[0]
        for (grid, full), image in trees_and_examples
    ]
    return scorer.compute(states.merge_all([scorer.empty(), *parts]))


@pytest.mark.parametrize("num_splits", [1, 3, 12])  # fewer and more than classes
def test_scores_are_those_of_the_protocol(num_splits):
    rng = np.random.default_rng(num_splits)
    chosen, pairs, counts = [], {"grid": [], "full": []}, []
    for index in range(4):
        full = random_tree(index, num_splits=num_splits, padding=3)
        grid = random_tree(
            index, height=6, width=8, num_splits=num_splits, max_children=2
        )
        image = example(rng, (24, 32))
        chosen.append(((grid, full), image))
        truth = classes_of(image.labels)
        for resolution, tree, classes in (
            ("grid", grid, truth[2::4, 2::4]),  # nearest to the middle of four by four
            ("full", full, truth),
        ):
            ids, segments = np.unique(tree.labels, return_inverse=True)
            pairs[resolution].append((segments.reshape(classes.shape), classes))
        counts.append(ids.size)
    metrics = scored(MatchedScorer(TAXONOMY), chosen)
    for resolution in ("grid", "full"):
        miou, pacc = reference(pairs[resolution])
        assert metrics[f"{resolution}/hungarian_miou"] == pytest.approx(miou, abs=1e-12)
        assert metrics[f"{resolution}/hungarian_pacc"] == pytest.approx(pacc, abs=1e-12)
    assert (metrics["images"], metrics["skipped"]) == (4, 0)
    assert metrics["mean_leaves"] == np.mean(counts)


@pytest.mark.parametrize("num_splits", [1, 3, 12])
def test_the_background_gets_the_segments_that_no_object_gets(num_splits):
    # Ids 10 and 255 are background: the first flat class here, DiffCut's last.
    lines = "".join(f"{x} = {10 * i}\n" for i, x in enumerate(NAMES[1:], start=2))
    rest = "background = 10 background\nvoid = 255 background\n"
    rng = np.random.default_rng(num_splits)
    chosen, pairs = [], []
    for index in range(6):
        tree = random_tree(index, num_splits=num_splits)
        image = example(rng, (24, 32), num_classes=(6, 2, 1)[index % 3])
        chosen.append(((tree, tree), image))
        _, segments = np.unique(tree.labels, return_inverse=True)
        labels = np.where(image.labels == 255, 10, image.labels.astype(int))
        classes = (labels // 10 - 2) % 6
        segments = segments.reshape(classes.shape)
        pairs.append((with_the_rest_united(segments, classes), classes))
    scorer = MatchedScorer(Taxonomy.parse(rest + lines), background="rest")
    metrics = scored(scorer, chosen)
    miou, pacc = reference(pairs)
    assert metrics["full/hungarian_miou"] == pytest.approx(miou, abs=1e-12)
    assert metrics["full/hungarian_pacc"] == pytest.approx(pacc, abs=1e-12)
    plain = scored(MatchedScorer(Taxonomy.parse(rest + lines)), chosen)
    assert plain["mean_leaves"] == metrics["mean_leaves"]
    if num_splits == 12:
        assert plain["full/hungarian_pacc"] < metrics["full/hungarian_pacc"]


def test_the_true_segments_score_one_and_ids_say_nothing():
    rng = np.random.default_rng(0)
    chosen = []
    for _ in range(3):
        image = example(rng, (12, 16))
        truth = np.maximum(classes_of(image.labels), 0)
        chosen.append(((flat_tree(truth),) * 2, image))
    metrics = scored(MatchedScorer(TAXONOMY), chosen)
    assert metrics["full/hungarian_miou"] == metrics["full/hungarian_pacc"] == 1
    image = example(rng, (40, 40))
    # No more segments than classes: spare ones go by their order to absent classes.
    segments = np.kron(rng.integers(0, 6, (8, 8)), np.ones((5, 5), int))
    trees = [flat_tree(ids) for ids in (segments, rng.permutation(6)[segments])]
    one, two = (scored(MatchedScorer(TAXONOMY), [((x, x), image)]) for x in trees)
    assert one == two


def test_spare_segments_lower_the_scores_of_absent_classes():
    labels = np.full((4, 6), 10, np.uint16)
    image = Example("plain", np.zeros((4, 6, 3), np.uint8), labels)
    whole, pieces = np.zeros((4, 6), int), np.arange(24).reshape(4, 6) // 3
    found = [
        scored(MatchedScorer(TAXONOMY), [((flat_tree(x),) * 2, image)])
        for x in (whole, pieces)
    ]
    assert found[0]["full/hungarian_miou"] == 1
    # One of eight pieces for the class, one for each of the five absent ones.
    assert found[1]["full/hungarian_pacc"] == 3 / 24
    assert found[1]["full/hungarian_miou"] == pytest.approx(3 / 24 / 6)
    assert [x["mean_leaves"] for x in found] == [1, 8]


def test_trees_are_cut_where_that_is_asked_for():
    image = example(np.random.default_rng(1), (24, 32))
    tree = random_tree(5, num_splits=9)
    metrics = scored(MatchedScorer(TAXONOMY, num_regions=4), [((tree, tree), image)])
    segments = tree.cut(num_regions=4)
    ids, compact = np.unique(segments, return_inverse=True)
    pair = (compact.reshape(segments.shape), classes_of(image.labels))
    assert metrics["full/hungarian_miou"] == pytest.approx(reference([pair])[0])
    assert metrics["mean_leaves"] == ids.size <= 4 < np.unique(tree.labels).size


def test_labels_that_stay_on_the_grid_are_spread_over_the_image():
    image = example(np.random.default_rng(2), (24, 32))
    small = random_tree(3, height=6, width=8, num_splits=4)
    large = make_tree(
        np.kron(small.labels, np.ones((4, 4), int)),
        *(small.parents, small.depths, small.costs),
    )
    scorer = MatchedScorer(TAXONOMY)
    unrefined, refined = (
        scored(scorer, [((small, tree), image)]) for tree in (small, large)
    )
    assert unrefined == refined


def test_states_add_up_in_any_order_travel_as_words_and_skip_what_is_void():
    rng = np.random.default_rng(4)
    scorer = MatchedScorer(TAXONOMY)
    assert isinstance(scorer, Scorer)
    void = np.full((24, 32), 255, np.uint8)
    images = [example(rng, (24, 32)) for _ in range(5)]
    images.append(Example("void", np.zeros((24, 32, 3), np.uint8), void))
    parts, rows = [], []
    for index, image in enumerate(images):
        tree = random_tree(index, num_splits=6)
        part, row = scorer.score(Segmentation(tree, tree), image)
        parts.append(states.from_words(states.to_words(part), scorer.empty()))
        rows.append(row)
    whole = scorer.compute(states.merge_all(parts))
    hosts = [states.merge_all(parts[i::2]) for i in (1, 0)]
    assert scorer.compute(states.merge_all(hosts)) == whole
    assert whole == {**scorer.compute(states.merge_all(parts[:5])), "skipped": 1}
    assert list(rows[0]) == [
        f"{resolution}/{name}"
        for resolution in ("grid", "full")
        for name in ("hungarian_miou", "hungarian_pacc", "leaves")
    ]
    assert whole["mean_leaves"] == np.mean([row["full/leaves"] for row in rows[:5]])
    nothing = scorer.compute(scorer.empty())
    assert np.isnan(nothing["full/hungarian_miou"])
    assert np.isnan(nothing["mean_leaves"])


def test_unknown_ids_name_the_image():
    tree = random_tree(0)
    labels = np.full((24, 32), 7, np.uint8)
    image = Example("strange", np.zeros((24, 32, 3), np.uint8), labels)
    with pytest.raises(DatasetError, match=r"strange: .*7 \(768 pixels\)"):
        MatchedScorer(TAXONOMY).score(Segmentation(tree, tree), image)
